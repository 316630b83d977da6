/**
 * What docs/migrating.md says of semaphores, whose format is not ours: neither sees the other, and so a fleet is
 * moved by taking both for a while.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquire, StoreError, tryAcquire } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { Semaphore } from 'redis-semaphore';
import { sharedRedis } from '../support/servers.js';
import { connectIoredis } from './other-libraries.js';

const client = connectIoredis(await sharedRedis());
after(() => client.disconnect());
const store = new IoredisStore(client);

const limit = 2;
const options = { lockTimeout: 60_000, acquireTimeout: 60_000, refreshInterval: 0 };
const semaphore = (name: string) => new Semaphore(client, name, limit, options);

test('with keys of their own, each lets in as many as if the other were not there', async () => {
  const [one, two] = [semaphore('apart'), semaphore('apart')];
  assert.deepEqual([await one.tryAcquire(), await two.tryAcquire()], [true, true]);
  await using place = await tryAcquire(store, 'apart', { limit });
  assert.equal(place?.held, true);
  await Promise.all([one.release(), two.release()]);
});

test('with the same key, whoever comes second gets an error, and changes nothing', async () => {
  const same = new IoredisStore(client, { prefix: 'semaphore:' });
  const old = semaphore('same');
  assert.equal(await old.tryAcquire(), true);
  for (const limit of [1, 2, Infinity]) {
    const attempt = tryAcquire(same, 'same', { limit });
    await assert.rejects(
      attempt,
      (error) => error instanceof StoreError && /WRONGTYPE/.test(error.message),
    );
  }
  await old.release();

  await using place = await acquire(same, 'same', { limit });
  await assert.rejects(semaphore('same').tryAcquire(), /WRONGTYPE/);
  assert.equal(place.held, true);
});

describe('those who take both, the old one first, keep to the limit beside', () => {
  type Section = (name: string, work: () => Promise<void>) => Promise<void>;
  const old: Section = async (name, work) => {
    const place = semaphore(name);
    await place.acquire();
    try {
      await work();
    } finally {
      await place.release();
    }
  };
  const ours: Section = async (name, work) => {
    await using _ = await acquire(new IoredisStore(client), name, { limit });
    await work();
  };
  const both: Section = (name, work) => old(name, () => ours(name, work));

  for (const [title, sections] of Object.entries({
    'those who take the old one alone': [old, both],
    'those who take the new one alone': [both, ours],
  })) {
    test(title, async () => {
      let inside = 0;
      let most = 0;
      const loops = [...sections, ...sections, ...sections].map(async (section) => {
        for (let round = 0; round < 10; round++) {
          await section(title, async () => {
            most = Math.max(most, ++inside);
            await sleep(5);
            inside--;
          });
        }
      });
      await Promise.all(loops);
      assert.equal(most, limit);
    });
  }
});
