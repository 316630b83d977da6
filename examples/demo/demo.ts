/**
 * `npm run demo`: three application servers, each a process of its own, wake for the same hourly
 * import. One runs it; an hour later one is killed while it does, and another takes over.
 * `npm run demo -- redis://…` or `memcache://…` does the same on a server.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Hour, killAfter } from './hour.js';
import { now } from './messages.js';
import { hear, startServer } from './processes.js';
import { ttl } from './store.js';
import { paint, Timeline } from './timeline.js';
import { fencesGrew, neverOverlapped, summarize, wentAsPlanned } from './verdict.js';

const id = randomBytes(4).toString('hex');
const directory = join(tmpdir(), `dlock-demo-${id}`);
const url = process.argv[2] ?? pathToFileURL(directory).href;
const urlWithoutPassword = url.replace(/^([a-z]+:\/\/)?.*@/i, '$1');
const onMemcached = url.startsWith('memcache:');

/** Memcached counts whole seconds, rounded up, and its store asks for two more. */
const overtime = onMemcached ? 3_000 : 0;
/** For how long servers try: until the lock of a killed one has lapsed and is taken again. */
const patience = killAfter + ttl + overtime + 500;
const minHold = patience + 250;
const hourLength = minHold + overtime + 500;

const servers = [0, 1, 2].map((lane) => startServer(lane, [url, `dlock-demo:${id}:`], giveUp));
leaveNothingBehind();
await Promise.all(servers.map((server) => hear(server, 'ready')));

console.log(`Three servers, one hourly import, one lock on ${urlWithoutPassword}\n`);
const start = now() + 250;
const titles = servers.map(({ name, process }) => `${name}, pid ${process.pid}`);
const timeline = new Timeline(start, titles);
const drawn = timeline.draw();
const hours = [
  new Hour(timeline, '05:00', 'all wake at once, one may run the import', ['done']),
  new Hour(timeline, '06:00', 'the same again, but the winner is killed', ['killed', 'done']),
];
for (const [index, hour] of hours.entries()) {
  const wake = start + index * hourLength;
  await hour.conduct(servers, { wake, until: wake + patience, minHold });
}
timeline.end();
await drawn;
for (const server of servers) server.process.kill();
conclude();

/** Says what happened; the exit code says whether it was right. */
function conclude(): void {
  console.log();
  for (const hour of hours) console.log(summarize(hour));
  console.log(
    `       A lock lapses a ttl after its last renewal: ${ttl / 1_000} s` +
      (onMemcached ? ', on Memcached up to 2 s more.' : '.'),
  );
  const claims = [wentAsPlanned(hours), neverOverlapped(hours)];
  if (!onMemcached) claims.push(fencesGrew(hours));
  for (const { holds, text } of claims) console.log(paint(`${holds ? '✓' : '✗'} ${text}`));
  if (onMemcached)
    console.log('– No fences: Memcached may lose a counter, which then starts again.');
  process.exitCode = claims.every(({ holds }) => holds) ? 0 : 1;
}

/** However the demo ends, its servers end too, and nothing is left behind. */
function leaveNothingBehind(): void {
  process.once('exit', () => {
    for (const server of servers) server.process.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  process.stdout.once('error', () => process.exit(1)); // nobody reads on
}

function giveUp(reason: string): void {
  console.error(`The demo on ${urlWithoutPassword} failed: ${reason}`);
  process.exit(1);
}
