/**
 * Takes a lock, lets something happen to the clocks of this machine, and tells what the lease says
 * of itself at once, and when another was given the lock. Arguments: store URL, name, ttl, what happens.
 */
const [url = '', name = '', ttl = '', event = ''] = process.argv.slice(2);

const clocks = { wall: Date.now, monotonic: performance.now.bind(performance) };
const hour = 3_600_000;
let ahead = 0;
let stopped: number | undefined;
// The library keeps to the clocks that it finds when it is loaded.
Date.now = () => clocks.wall() + ahead;
performance.now = () => stopped ?? clocks.monotonic();
const events: Record<string, () => void> = {
  forth: () => {
    ahead = hour;
  },
  back: () => {
    ahead = -hour;
  },
  stopped: () => {
    stopped = clocks.monotonic();
  },
};

const { tryAcquire } = await import('dlock-js');
const { openStore } = await import('../../support/stores.js');
const [mine, others] = [await openStore(url), await openStore(url)];
const renewed = await tryAcquire(mine.store, `${name}, renewed`, { ttl: Number(ttl) });
const lease = await tryAcquire(mine.store, name, { ttl: Number(ttl), renew: false });
if (!lease || !renewed) throw new Error(`${name} should be free`);
let toldAfter = Infinity;
const start = clocks.monotonic();
lease.signal.addEventListener('abort', () => {
  toldAfter = clocks.monotonic() - start;
});

events[event]?.();
const heldAtOnce = lease.held;

// A file store lives by the wall clock of the machine: set back, it frees nothing for an hour.
const end = start + 2 * Number(ttl) + 2_500;
let taken = false;
let heldWhenTaken = false;
while (!taken && clocks.monotonic() < end) {
  taken = (await others.store.acquire(name, 'f'.repeat(32), hour)).granted;
  heldWhenTaken = taken && lease.held;
  await new Promise((resolve) => setTimeout(resolve, 10));
}
while (clocks.monotonic() < end) await new Promise((resolve) => setTimeout(resolve, 50));
const renewedHeld = renewed.held;
const released = [await lease.release(), await renewed.release()];
process.send?.({ heldAtOnce, taken, heldWhenTaken, toldAfter, renewedHeld, released });
await mine.close();
await others.close();
process.disconnect();
