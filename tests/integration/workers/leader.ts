/**
 * Leads for as long as it can, until it is sent a message. It tells of each refusal, and in each term, time
 * and again, when its lease was valid; once told to end, the body takes a while. Arguments: the client, by
 * its name in clients.ts, or nothing; URL; name of the lock; ttl in milliseconds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Lease, lead, subscribe } from 'dlock-js';
import { clients } from '../../support/clients.js';
import { openStore } from '../../support/stores.js';
import type { Told } from '../leaders.js';

const [client = '', url = '', name = '', ttl = ''] = process.argv.slice(2);
const tell = (told: Told) => process.send?.(told);

const store = client
  ? (await clients[client as keyof typeof clients](url)).createStore({ timeout: 1_000 })
  : (await openStore(url)).store;
subscribe('refused', () => tell({ event: 'refused' }));

let bodies = 0;
async function body(lease: Lease): Promise<void> {
  const { fence = NaN, signal } = lease;
  bodies += 1;
  tell({ event: 'begins', fence, bodies });
  while (!signal.aborted) {
    // In this order: what was valid after that moment was valid then.
    const at = Date.now();
    if (lease.held) tell({ event: 'leads', fence, at });
    await delay(10);
  }
  await delay(300);
  bodies -= 1;
  tell({ event: 'ends' });
}

const stop = new AbortController();
process.once('message', () => stop.abort());
await lead(store, name, body, { ttl: Number(ttl), signal: stop.signal }).catch((error) => {
  if (error !== stop.signal.reason) throw error;
});
process.exit();
