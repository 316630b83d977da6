/** Draws some seconds of a run as an SVG: a row a worker, a bar a lease, the faults that befell it. */
import type { SeenLease } from './history.js';
import type { Run } from './machine.js';

/** Of the excerpt, in milliseconds. */
const span = 15_000;
const left = 92;
const right = 944;
const top = 96;
/** Of a row; a worker has a thin bar for each lock that it holds. */
const rowHeight = 44;
const barHeight = 8;
/** One for each lock; readable on light and on dark. */
const colours = ['#0969da', '#1a7f37', '#bc4c00', '#8250df'];

export function drawTimeline(run: Run, name: string): string {
  const start = busiest(run);
  const posts = Array.from({ length: run.plan.workers }, (_, index) => index + 1);
  const bottom = top + posts.length * rowHeight;
  const x = (at: number) => left + ((clamp(at, start) - start) / span) * (right - left);
  const y = (post: number) => top + (post - 1) * rowHeight;
  const shown = (from: number, until: number) => until > start && from < start + span;
  const locks = [...new Set(run.history.leases.map(({ lock }) => lock))].sort();

  const rows = posts.map(
    (post) =>
      `<text x="20" y="${y(post) + 26}">worker ${post}</text><path class="lane" d="M${left} ${y(post) + rowHeight}H${right}"/>`,
  );
  const seconds = Array.from({ length: span / 1_000 + 1 }, (_, second) => {
    const at = round(x(start + second * 1_000));
    return `<path class="second" d="M${at} ${top}V${bottom}"/><text class="small middle" x="${at}" y="${bottom + 18}">${second} s</text>`;
  });
  const bars = run.history.leases
    .filter((lease) => shown(lease.granted, lease.end))
    .map((lease) => {
      const lock = locks.indexOf(lease.lock);
      const place = y(postOf(lease)) + 5 + lock * (barHeight + 1);
      const width = Math.max(1.5, x(lease.end) - x(lease.granted));
      const open = lease.ending === 'released' ? '' : ' class="unreleased"';
      return `<rect${open} x="${round(x(lease.granted))}" y="${place}" width="${round(width)}" height="${barHeight}" rx="2" fill="${colours[lock]}"/>`;
    });
  const shades = run.faults
    .filter(({ at, until }) => shown(at, until))
    .map((fault) => {
      const width = Math.max(0, x(fault.until) - x(fault.at));
      if (fault.kind === 'worker frozen') {
        return `<rect class="frozen" x="${round(x(fault.at))}" y="${y(fault.target) + 1}" width="${round(width)}" height="${rowHeight - 2}"/>`;
      }
      if (fault.kind === 'worker killed') {
        return `<text class="mark" x="${round(x(fault.at))}" y="${y(fault.target) + 29}">✗</text>`;
      }
      return `<rect class="outage" x="${round(x(fault.at))}" y="${top}" width="${round(Math.max(1.5, width))}" height="${bottom - top}"/>`;
    });
  const legend = locks.map(
    (lock, index) =>
      `<rect x="${left + index * 90}" y="60" width="16" height="${barHeight}" rx="2" fill="${colours[index]}"/><text class="small" x="${left + 22 + index * 90}" y="68">${lock}</text>`,
  );

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 964 ${bottom + 40}" role="img" aria-labelledby="title description">
  <title id="title">${span / 1_000} seconds of chaos on the ${name} store</title>
  <desc id="description">${posts.length} workers contend for ${locks.length} locks. No two bars of one colour overlap: no two leases on one lock were valid at the same time, whatever befell the workers and the server.</desc>
  <style>
    text { font: 13px system-ui, sans-serif; fill: #24292f }
    .small { font-size: 12px; fill: #57606a } .middle { text-anchor: middle }
    .head { font-weight: 600; font-size: 15px }
    .lane { stroke: #d0d7de } .second { stroke: #eaeef2 }
    .frozen { fill: #54aeff; opacity: .28 } .outage { fill: #cf222e; opacity: .13 }
    .unreleased { opacity: .45 }
    .mark { fill: #cf222e; font-weight: 700; font-size: 17px; text-anchor: middle }
  </style>
  <rect x="1" y="1" width="962" height="${bottom + 38}" rx="10" fill="#fff" stroke="#d0d7de"/>
  <text class="head" x="20" y="34">${span / 1_000} seconds of chaos on the ${name} store: no two bars of one colour overlap</text>
  ${legend.join('\n  ')}
  <rect class="unreleased" x="${left + 372}" y="60" width="16" height="${barHeight}" rx="2" fill="#57606a"/><text class="small" x="${left + 394}" y="68">lost, or its worker died</text>
  <rect class="frozen" x="${left + 552}" y="56" width="16" height="16"/><text class="small" x="${left + 574}" y="68">stopped</text>
  <text class="mark" x="${left + 648}" y="70">✗</text><text class="small" x="${left + 660}" y="68">killed</text>
  <rect class="outage" x="${left + 712}" y="56" width="16" height="16"/><text class="small" x="${left + 734}" y="68">server or connections</text>
  ${seconds.join('\n  ')}
  ${rows.join('\n  ')}
  ${shades.join('\n  ')}
  ${bars.join('\n  ')}
</svg>
`;
}

/** Where most faults are to be seen, once the workers are at work. */
function busiest({ history, faults, until }: Run): number {
  const first = Math.min(...history.leases.map(({ granted }) => granted)) + span;
  const last = Math.max(first, until - span);
  const starts = faults.map(({ at }) => Math.min(at - 500, last)).filter((start) => start >= first);
  const kindsAt = (start: number) => {
    const seen = faults.filter((fault) => fault.at >= start && fault.until < start + span);
    return new Set(seen.map(({ kind }) => kind)).size * 10 + seen.length;
  };
  return starts.sort((a, b) => kindsAt(b) - kindsAt(a))[0] ?? first;
}

/** A worker is named by its post and how many had it before. */
function postOf({ worker }: Readonly<SeenLease>): number {
  return Number(worker.split('.')[0]);
}

function clamp(at: number, start: number): number {
  return Math.min(Math.max(at, start), start + span);
}

function round(length: number): number {
  return Math.round(length * 10) / 10;
}
