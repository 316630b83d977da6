/** Arguments: what is not an option, a name or a body is refused before any request, and says so. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { acquire, adopt, tryAcquire } from '../../src/api/acquire.js';
import { locked } from '../../src/api/locked.js';
import { once } from '../../src/api/once.js';
import { lockNamed, partsOf, periodLock } from '../../src/base/names.js';
import type { Lease } from '../../src/lease/lease.js';
import { ScriptedStore } from '../support/scripted-store.js';

let store: ScriptedStore;
beforeEach(() => {
  store = new ScriptedStore();
});

const ticket = { name: 'import', token: 'f'.repeat(32), ttl: 20_000 };

/** Every function that takes a lock, with what is given as its options. */
const functions: Record<string, (options: object) => Promise<unknown>> = {
  tryAcquire: (options) => tryAcquire(store, 'import', options),
  acquire: (options) => acquire(store, 'import', options),
  locked: (options) => locked(store, 'import', () => {}, options),
  once: (options) => once(store, 'import', 'now', () => {}, options),
  adopt: (options) => adopt(store, ticket, options),
};

async function assertRefused(
  outcome: Promise<unknown>,
  type: typeof TypeError | typeof RangeError,
  ...says: RegExp[]
): Promise<void> {
  await assert.rejects(outcome, (error: Error) => {
    assert.ok(error instanceof type, String(error));
    for (const text of [/"import"/, ...says]) assert.match(error.message, text);
    return true;
  });
  assert.deepEqual(store.requests, []);
}

describe('an option that does not exist', () => {
  for (const [name, call] of Object.entries(functions)) {
    test(`is named by a TypeError of ${name}`, async () => {
      await assertRefused(call({ retries: 3 }), TypeError, /"retries"/, /it takes ttl, renew/);
      await assertRefused(call({ ttl: 900, leaseTime: 5 }), TypeError, /"leaseTime"/);
    });
  }

  test('is one that only another function takes', async () => {
    for (const name of ['tryAcquire', 'adopt']) {
      await assertRefused(functions[name]?.({ wait: 5_000 }) as never, TypeError, /"wait"/);
    }
    for (const name of ['tryAcquire', 'acquire', 'locked', 'adopt']) {
      await assertRefused(functions[name]?.({ retain: 5_000 }) as never, TypeError, /"retain"/);
    }
  });

  test('is not one that is undefined', async () => {
    for (const call of Object.values(functions)) {
      const given = (await call({ ttl: undefined, retries: undefined })) as Partial<Lease>;
      // The next one waits for as long as this one holds the lock.
      await given.release?.();
    }
  });

  test('is refused by release, which may then be called again', async () => {
    const lease = await tryAcquire(store, 'import');
    assert.ok(lease);
    const wrong = lease.release({ afterMs: 5 } as never);
    await assert.rejects(wrong, /Unknown option "afterMs".*"import".*after/);
    assert.equal(await lease.release(), true);
  });
});

test('a body in the place of the options is told apart', async () => {
  const body = () => {};
  const swapped = locked(store, 'import', { wait: 1 } as never, body as never);
  await assertRefused(swapped, TypeError, /The body.*must be a function.*\[object Object\]/);
  const missing = once(store, 'import', 'now', undefined as never);
  await assertRefused(missing, TypeError, /The body.*not undefined/);
  const withoutPeriod = once(store, 'import', body as never, undefined as never);
  await assertRefused(withoutPeriod, TypeError, /The period.*not \[object Function\]/);
  const withoutStore = locked('import' as never, body as never, undefined as never);
  await assertRefused(
    withoutStore,
    TypeError,
    /first argument must be a LockStore, .* not "import"/,
  );
});

test('adopt takes no ttl that acquire would refuse', async () => {
  for (const ttl of [Infinity, NaN, 0, -1, 1.5]) {
    await assertRefused(adopt(store, ticket, { ttl }), RangeError, new RegExp(`not ${ttl}`));
  }
  await assertRefused(adopt(store, ticket, { ttl: '5s' as never }), TypeError, /"5s"/);
  const lease = await adopt(store, ticket, { ttl: 60_000 });
  assert.equal(store.requests[0]?.ttl, 20_000, 'never more than the ticket’s');
  await lease?.release();
});

test('the time limit of a store is one that Node.js can wait for', async () => {
  const patient = { ...ticket, acquire() {}, extend() {}, release() {}, timeout: 2 ** 31 };
  await assertRefused(tryAcquire(patient as never, 'import'), RangeError, /timeout/, /2147483648/);
});

describe('names', () => {
  test('that begin with NUL are not for callers', async () => {
    for (const name of ['\0', '\0import', '\0\0import', periodLock('import', 'now')]) {
      await assert.rejects(tryAcquire(store, name), /must not begin with NUL/);
      await assert.rejects(adopt(store, { ...ticket, name }), /must not begin with NUL/);
    }
    assert.deepEqual(store.requests, []);
  });

  test('of periods are one for each lock and period', () => {
    const parts = ['a', 'b', '@', '"', ',', '["', '\0', 'a@b', 'a","b', '\\'];
    const names = new Set<string>();
    for (const lock of parts) {
      for (const period of parts) {
        const name = periodLock(lock, period);
        names.add(name);
        assert.deepEqual(partsOf(name), { lock, period });
        assert.match(name, /^\0\0[^\0]/, 'no key of a fence, whatever the prefix');
      }
    }
    assert.equal(names.size, parts.length ** 2);
  });

  test('of periods are shown as what the caller asked for', async () => {
    assert.equal(lockNamed(periodLock('import', 'now')), 'lock "import", period "now"');
    store.answers.acquire = [{ granted: true }, new Error('no route')];
    const failing = once(store, 'import', 'now', () => {});
    await assert.rejects(failing, { lock: 'import', message: /lock "import", period "now"/ });
  });
});

test('a period must be text', async () => {
  for (const period of ['', 5, undefined, 'a\ud800b']) {
    const failing = once(store, 'import', period as never, () => {});
    await assertRefused(failing, TypeError, /The period/);
  }
});
