/** Many who ask at the same moment, over many connections. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { LockStore } from 'dlock-js';
import { type Case, eventually, short } from './fixture.js';

/** How many ask at once, and how often. */
const crowd = 20;
const rounds = 5;
const long = 60_000;

/** All differ: tokens that are made from a round and a number may well be equal. */
function newToken(): string {
  return randomBytes(16).toString('hex');
}

/** The tokens that are granted the lock, of as many as a crowd that ask for it at once. */
async function contend(connections: readonly LockStore[], lock: string): Promise<string[]> {
  const tokens = Array.from({ length: crowd }, newToken);
  const attempts = await Promise.all(
    tokens.map((token, index) => at(connections, index).acquire(lock, token, long)),
  );
  return tokens.filter((_, index) => attempts[index]?.granted);
}

function at(connections: readonly LockStore[], index: number): LockStore {
  return connections[index % connections.length] as LockStore;
}

async function assertOneWinner(connections: readonly LockStore[], lock: string): Promise<void> {
  await assertOnly(connections, lock, await contend(connections, lock));
}

/** One alone was granted the lock, and every connection says so; it is free then. */
async function assertOnly(
  connections: readonly LockStore[],
  lock: string,
  winners: readonly string[],
): Promise<void> {
  assert.equal(winners.length, 1, `${winners.length} of ${crowd} were granted ${lock} at once`);
  const [winner = ''] = winners;
  for (const connection of connections)
    assert.equal(await connection.extend(lock, winner, long), true);
  assert.equal(await at(connections, 0).release(lock, winner), true);
}

export const connections: Case[] = [
  {
    title: 'many ask at once for a lock that nobody has ever held: one is granted',
    essential: true,
    async run({ connections, lock }) {
      for (let round = 0; round < rounds; round++)
        await assertOneWinner(connections, `${lock} ${round}`);
    },
  },
  {
    title: 'many ask at once for a lock that was released: one is granted',
    essential: true,
    async run({ store, connections, lock }) {
      const before = newToken();
      assert.equal((await store.acquire(lock, before, long)).granted, true);
      assert.equal(await store.release(lock, before), true);
      for (let round = 0; round < rounds; round++) await assertOneWinner(connections, lock);
    },
  },
  {
    title: 'many ask at once for a lock whose life has ended: one is granted',
    essential: true,
    async run({ store, connections, lock, step }) {
      const contest = async (name: string) => {
        assert.equal((await store.acquire(name, newToken(), short)).granted, true);
        let winners: string[] = [];
        await delay(short + 2 * (step - 1));
        await eventually('somebody is granted', async () => {
          winners = await contend(connections, name);
          return winners.length > 0;
        });
        await assertOnly(connections, name, winners);
      };
      await Promise.all(Array.from({ length: rounds }, (_, round) => contest(`${lock} ${round}`)));
    },
  },
];
