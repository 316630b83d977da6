/**
 * Transfers between accounts that no transaction spans: each is a document of its own, in a service that
 * can only read one and write one. Transfers of the same two accounts take turns, in either direction, and
 * never wait for each other in a circle; those of other accounts run at the same time.
 */
import { acquireAll, type LockStore } from 'dlock-js';

/** Must refuse a write by a fence that is smaller than the last it saw of that account. */
export interface Accounts {
  read(account: string): Promise<number>;
  write(account: string, balance: number, fence: number | undefined): Promise<void>;
}

/** A process that dies between the two writes leaves a transfer half done, which needs a journal: no lock mends it. */
export async function transfer(
  store: LockStore,
  accounts: Accounts,
  { from, to, amount }: { from: string; to: string; amount: number },
): Promise<void> {
  const lockOf = (account: string) => `account ${account}`;
  await using leases = await acquireAll(store, [lockOf(from), lockOf(to)], { wait: 10_000 });
  const book = async (account: string, change: number) => {
    const balance = (await accounts.read(account)) + change;
    if (balance < 0) throw new RangeError(`There is not enough in account ${account}`);
    // If one lock is lost, neither account is written any more.
    leases.assertHeld();
    await accounts.write(account, balance, leases.of(lockOf(account)).fence);
  };
  await book(from, -amount);
  await book(to, amount);
}
