/**
 * A consumer that may run only once, on several servers: one of them leads and consumes, the others stand
 * by. Start it twice with `npx tsx examples/leader.ts`, and end the one that leads: the other goes on.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, lead, settled } from 'dlock-js';
import { FileStore } from 'dlock-js/file';

const directory = process.argv[2] ?? 'consumer';
const store = new FileStore(join(directory, 'locks'), { ttl: 10_000 });

/** Stands for where the queue keeps how far it was read. */
const offset = join(directory, 'offset.txt');

/** Handles one message after the other, until the process leads no more, or is to shut down. */
async function consume({ signal, fence }: Lease): Promise<void> {
  console.log(`${process.pid} leads, with fence ${fence}`);
  for (;;) {
    const next = Number(await readFile(offset, 'utf8').catch(() => 0)) + 1;
    await handle(next, signal);
    await writeFile(offset, String(next));
  }
}

/** Stands for the real work, which the next leader does again if this one dies in the middle of it. */
async function handle(message: number, signal: AbortSignal): Promise<void> {
  await sleep(500, undefined, { signal });
  console.log(`${process.pid} has handled message ${message}`);
}

const shutdown = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => shutdown.abort(new Error(`Ended by ${signal}`)));
}

await mkdir(directory, { recursive: true });
try {
  await lead(store, 'consumer', consume, { signal: shutdown.signal });
} catch (error) {
  if (error !== shutdown.signal.reason) throw error;
}
await settled(store, { wait: 2_000 });
console.log(`${process.pid} ends`);
