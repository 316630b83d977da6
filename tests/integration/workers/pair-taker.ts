/**
 * A process that takes two locks together, time and again, once it is told to begin, and tells the fences
 * that it had. Arguments: the client, by its name in clients.ts, or nothing; URL; the two locks, in the
 * order in which it names them; ttl; rounds.
 */
import { once } from 'node:events';
import { acquireAll } from 'dlock-js';
import { clients } from '../../support/clients.js';
import { openStore } from '../../support/stores.js';

const [client = '', url = '', one = '', two = '', ttl = '', rounds = ''] = process.argv.slice(2);

const store = client
  ? (await clients[client as keyof typeof clients](url)).createStore()
  : (await openStore(url)).store;
process.send?.('ready');
await once(process, 'message');

const fences: Record<string, number | undefined>[] = [];
for (let round = 0; round < Number(rounds); round++) {
  const leases = await acquireAll(store, [one, two], { ttl: Number(ttl), wait: 60_000 });
  fences.push({ [one]: leases.of(one).fence, [two]: leases.of(two).fence });
  if (!(await leases.release())) throw new Error('A lease was lost');
}
process.send?.(fences, () => process.exit());
