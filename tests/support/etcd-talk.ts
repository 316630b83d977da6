/** What tests ask etcd behind the store's back, and how they wait while it is away. */
import { acquire, type Lease, type LockStore, StoreError } from 'dlock-js';

/** @throws an Error with what the server said. */
// biome-ignore lint/suspicious/noExplicitAny: each question has another answer, which its test knows
export async function ask(url: string, path: string, body: object): Promise<any> {
  const options = { method: 'POST', body: JSON.stringify(body) };
  const answer = await fetch(`${url}/v3/${path}`, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** The keys that begin with a text, and what they hold. */
export async function keysUnder(url: string, prefix: string) {
  const range = { key: encode(prefix), range_end: encode(`${prefix}\u{10ffff}`) };
  const { kvs = [] } = await ask(url, 'kv/range', range);
  return (kvs as Record<string, string>[]).map(({ key = '', value = '', lease = '' }) => ({
    key: Buffer.from(key, 'base64').toString(),
    value: Buffer.from(value, 'base64').toString(),
    lease,
  }));
}

export function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Waits for a lock, also while the server restarts. */
export async function acquireThroughOutages(store: LockStore, name: string): Promise<Lease> {
  for (;;) {
    try {
      return await acquire(store, name, { wait: 60_000 });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
}
