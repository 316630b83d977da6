/** The demo: what it shows, that it leaves nothing behind, and that it would tell if a lock failed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HourRecord, Run } from '../../examples/demo/hour.js';
import { fencesGrew, neverOverlapped, wentAsPlanned } from '../../examples/demo/verdict.js';
import { eventually } from '../../src/testing/fixture.js';
import { sharedMemcached, sharedRedis } from '../support/servers.js';

const script = fileURLToPath(new URL('../../examples/demo/demo.ts', import.meta.url));

/** Its output goes into a pipe. */
function startDemo(...urls: string[]) {
  const { FORCE_COLOR: _, ...env } = process.env;
  return spawn(process.execPath, ['--import', 'tsx', script, ...urls], { env });
}

async function runDemo(...urls: string[]) {
  const demo = startDemo(...urls);
  const closed = once(demo, 'close');
  const [output, errors] = await Promise.all([text(demo.stdout), text(demo.stderr)]);
  const [code] = await closed;
  return { output, errors, code };
}

/** Servers that wake, get the lock, are refused, are killed, take over, and end an import. */
function count(rows: string): number[] {
  const marks = ['wakes', 'granted', 'refused', 'killed', 'takes over', 'done'];
  return marks.map((mark) => rows.split(mark).length - 1);
}

function assertAsTold({ output, errors, code }: Awaited<ReturnType<typeof runDemo>>): void {
  assert.deepEqual({ code, errors }, { code: 0, errors: '' }, output);
  const [timeline = ''] = output.split(/^05:00 /m);
  const [, first = '', second = ''] = timeline.split(/^── 0\d:00 .*$/m);
  assert.deepEqual(count(first), [3, 1, 2, 0, 0, 1], output);
  assert.deepEqual(count(second), [3, 1, 2, 1, 1, 1], output);
  assert.match(
    output,
    /^06:00 {2}server (\d) was killed in mid-import; server (?!\1)\d took over/m,
  );
}

async function assertNothingLeft(output: string): Promise<void> {
  const pids = [...output.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
  assert.equal(pids.length, 3, output);
  await eventually('all servers have ended', () => !pids.some(isAlive));
  const [, directory = ''] = /one lock on (file:.*)/.exec(output) ?? [];
  assert.ok(!existsSync(new URL(directory)));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('the demo on the file store: within 40 s on a busy machine, fences grow, no colour in a pipe', async () => {
  const begin = performance.now();
  const result = await runDemo();
  const seconds = (performance.now() - begin) / 1_000;
  assertAsTold(result);
  assert.match(result.output, /^✓ Fences grew: \d+ < \d+ < \d+\.$/m);
  assert.ok(!result.output.includes('\x1b'));
  await assertNothingLeft(result.output);
  assert.ok(seconds < 40, `it took ${seconds} s`);
});

describe('the demo', { concurrency: true }, () => {
  test('the demo, interrupted in mid-import, leaves nothing behind', async () => {
    const demo = startDemo();
    const closed = once(demo, 'close');
    let output = '';
    for await (const rows of demo.stdout.setEncoding('utf8')) {
      output += rows;
      if (rows.includes('fence')) demo.kill('SIGINT');
    }
    assert.deepEqual(await closed, [130, null]);
    await assertNothingLeft(output);
  });

  test('on Redis: fences grow', async () => {
    const result = await runDemo(await sharedRedis());
    assertAsTold(result);
    assert.match(result.output, /^✓ Fences grew: \d+ < \d+ < \d+\.$/m);
  });

  test('on Memcached: no fences, and why', async () => {
    const result = await runDemo(`memcache://${await sharedMemcached()}`);
    assertAsTold(result);
    assert.match(result.output, /█ fence –/);
    assert.match(result.output, /^– No fences: /m);
  });

  for (const scheme of ['redis', 'memcache']) {
    test(`the demo names the ${scheme} server that it cannot reach, not the password`, async () => {
      const { output, errors, code } = await runDemo(`${scheme}://user:secret@127.0.0.1:1`);
      assert.deepEqual({ code, output }, { code: 1, output: '' });
      assert.match(
        errors,
        new RegExp(`^The demo on ${scheme}://127.0.0.1:1 failed: .*REFUSED.*\n$`),
      );
    });
  }
});

describe('the verdict of the demo', () => {
  const done = (begin: number, end: number, fence?: number, server = 'server 1'): Run => ({
    server,
    fence,
    begin,
    end,
    ending: 'done',
  });
  const hour = (...runs: Run[]): HourRecord[] => [
    { title: '05:00', plan: ['done'], runs, refused: new Set(['server 2', 'server 3']) },
  ];

  test('holds where all was well', () => {
    assert.ok(wentAsPlanned(hour(done(0, 1))).holds);
    assert.ok(neverOverlapped(hour(done(2, 3), done(0, 1), done(1, 2))).holds);
    assert.ok(fencesGrew(hour(done(1, 2, 9), done(0, 1, 7))).holds);
  });

  test('does not hold for imports that overlap, or never end', () => {
    assert.ok(!neverOverlapped(hour(done(0, 1.001), done(1, 2))).holds);
    assert.ok(!neverOverlapped(hour(done(0, 9), done(2, 3))).holds);
    assert.ok(!neverOverlapped(hour(done(0, Infinity), done(2, 3))).holds);
  });

  test('does not hold for fences that stay, shrink, or are missing', () => {
    for (const fence of [7, 6, undefined]) {
      assert.ok(!fencesGrew(hour(done(0, 1, 7), done(1, 2, fence))).holds);
    }
  });

  test('does not hold for an hour with no import, with two, or of which a server did not hear', () => {
    assert.ok(!wentAsPlanned(hour()).holds);
    assert.ok(!wentAsPlanned(hour(done(0, 1), done(1, 2))).holds);
    assert.ok(!wentAsPlanned(hour(done(0, 1, 1, 'server 2'))).holds);
  });
});
