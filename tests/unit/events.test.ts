/** What is told of leases and waits, and to whom. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire, adopt, tryAcquire } from '../../src/api/acquire.js';
import { tryAcquireAll } from '../../src/api/all.js';
import { once } from '../../src/api/once.js';
import { useClock } from '../../src/base/clock.js';
import { AcquireTimeoutError, StoreError } from '../../src/base/errors.js';
import { type DlockEvents, subscribe, tell } from '../../src/base/events.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { cut, never, ScriptedStore } from '../support/scripted-store.js';

type EventName = keyof DlockEvents;
type Heard = { [E in EventName]: { event: E } & DlockEvents[E] }[EventName];

const names: readonly EventName[] = [
  'granted',
  'refused',
  'abandoned',
  'renewed',
  'lost',
  'released',
  'handed-over',
  'store-error',
];
const caller = new AsyncLocalStorage<string>();
let heard: Heard[];
let contexts: (string | undefined)[];
let unsubscribe: (() => void)[];
let clock: FakeClock;

beforeEach(() => {
  clock = FakeClock.install();
  heard = [];
  contexts = [];
  unsubscribe = names.map((event) =>
    subscribe(event, (details) => {
      heard.push({ event, ...details } as Heard);
      contexts.push(caller.getStore());
    }),
  );
});
afterEach(() => {
  for (const end of unsubscribe) end();
  useClock();
});

const events = () => heard.map(({ event }) => event);

/** The last of these events. */
function last<E extends EventName>(event: E): DlockEvents[E] {
  const found = heard.findLast((each) => each.event === event);
  assert.ok(found, `nobody was told of ${event}`);
  return found as unknown as DlockEvents[E];
}

/** An answer that takes that long. */
const after =
  <T>(ms: number, answer: T) =>
  () =>
    new Promise<T>((resolve) => clock.setTimer(() => resolve(answer), ms));

test('the life of a lease, from grant to release', async () => {
  const store = new ScriptedStore();
  store.answers.acquire = [after(3, { granted: true, fence: 7 })];
  store.answers.extend = [after(5, true)];
  store.answers.release = [after(4, true)];
  const lease = await clock.passing(tryAcquire(store, 'import'));
  assert.ok(lease);
  store.answers.acquire = [after(2, { granted: false, retryAfter: 50 })];
  await clock.passing(tryAcquire(store, 'import'));
  await clock.passing(lease.extend(5_000));
  await clock.advance(90);
  await clock.passing(lease.release());
  const about = { name: 'import', period: undefined, limit: 1 };
  const ours = { ...about, token: lease.token.slice(0, 8), fence: 7 };
  const [, refused] = heard;
  assert.ok(refused?.event === 'refused' && refused.token !== ours.token);
  assert.deepEqual(heard, [
    { event: 'granted', ...ours, ttl: 30_000, waitedFor: 3, latency: 3 },
    { ...refused, ...about, fence: undefined, retryAfter: 50, latency: 2 },
    { event: 'renewed', ...ours, ttl: 5_000, latency: 5 },
    { event: 'released', ...ours, after: 0, heldFor: 3 + 2 + 5 + 90, latency: 4 },
  ]);
  assert.ok(!JSON.stringify(heard).includes(lease.token), 'never the whole token');
});

test('trouble and loss', async () => {
  const store = new ScriptedStore();
  const lease = await tryAcquire(store, 'import');
  store.answers.extend = [cut, false];
  await lease?.extend().catch(() => {});
  await clock.advance(100);
  await lease?.extend().catch(() => {});
  await lease?.release();
  assert.deepEqual(events(), ['granted', 'store-error', 'lost']);
  const trouble = last('store-error');
  assert.equal(trouble.operation, 'extend');
  assert.match(trouble.error.message, /the line is cut/);
  assert.match(last('lost').error.message, /not ours/);
  assert.equal(last('lost').heldFor, 100);
});

test('an event about a period carries it, beside the name of its lock', async () => {
  await once(new MemoryStore(), 'import', 'today', () => {});
  const about = heard.map(({ event, name, period }) => [event, name, period]);
  assert.deepEqual(about, [
    ['granted', 'import', undefined],
    ['granted', 'import', 'today'],
    ['released', 'import', 'today'],
    ['renewed', 'import', undefined],
    ['released', 'import', undefined],
  ]);
});

describe('how long a caller waited in all', () => {
  test('in the line of its own process', async () => {
    const store = new MemoryStore();
    const first = await acquire(store, 'import');
    const waits = ['A', 'B'].map((name) =>
      caller.run(name, async () => {
        const lease = await acquire(store, 'import');
        await clock.advance(50);
        await lease.release();
      }),
    );
    await clock.advance(600);
    await first.release();
    await Promise.all(waits);
    const granted = heard.flatMap((each, index) =>
      each.event === 'granted' ? [[contexts[index], each.waitedFor, each.latency]] : [],
    );
    assert.deepEqual(granted, [
      [undefined, 0, 0],
      ['A', 600, 0],
      ['B', 650, 0],
    ]);
  });

  test('for another process', async () => {
    const store = new ScriptedStore();
    store.answers.acquire = [
      { granted: false, retryAfter: 250 },
      { granted: false, retryAfter: 250 },
      after(4, { granted: true }),
    ];
    const start = clock.monotonic();
    const lease = await clock.passing(acquire(store, 'import'));
    const { waitedFor, latency } = last('granted');
    assert.deepEqual(events(), ['refused', 'refused', 'granted']);
    assert.equal(waitedFor, clock.monotonic() - start);
    assert.equal(latency, 4);
    assert.ok(waitedFor > 10 * latency);
    await lease.release();
  });

  test('until its time ran out', async () => {
    const store = new MemoryStore();
    await using _holder = await acquire(store, 'import');
    const waiting = caller.run('A', () => acquire(store, 'import', { wait: 600, limit: 2 }));
    const rejected = assert.rejects(waiting, AcquireTimeoutError);
    await clock.passing(rejected);
    const about = { name: 'import', period: undefined, limit: 2 };
    assert.deepEqual(last('abandoned'), {
      event: 'abandoned',
      ...about,
      reason: 'timeout',
      waitedFor: 600,
    });
    assert.equal(contexts.at(-1), 'A');
  });

  test('until its signal aborted', async () => {
    const store = new MemoryStore();
    const holder = await acquire(store, 'import');
    const { signal, abort } = aborting();
    const waiting = caller.run('A', () => acquire(store, 'import', { signal }));
    await clock.advance(70);
    abort();
    await assert.rejects(waiting, (reason) => reason === signal.reason);
    assert.deepEqual(events(), ['granted', 'abandoned']);
    const { reason, waitedFor } = last('abandoned');
    assert.deepEqual([reason, waitedFor, contexts.at(-1)], ['abort', 70, 'A']);
    await holder.release();
  });

  test('until its signal aborted, although it only tried', async () => {
    const store = new ScriptedStore();
    store.answers.acquire = [never];
    const { signal, abort } = aborting();
    const trying = tryAcquire(store, 'import', { signal });
    await clock.advance(20);
    abort();
    await assert.rejects(trying);
    assert.deepEqual(events(), ['abandoned']);
    assert.deepEqual([last('abandoned').reason, last('abandoned').waitedFor], ['abort', 20]);
  });

  test('until the store could not be asked', async () => {
    const store = new ScriptedStore();
    store.answers.acquire = [never];
    const waits = [1, 2].map(() => assert.rejects(acquire(store, 'import'), StoreError));
    await clock.passing(Promise.all(waits));
    assert.deepEqual(events(), ['store-error', 'abandoned', 'abandoned'], 'one outage, two waits');
    assert.equal(last('abandoned').reason, 'store-error');
    assert.ok(last('abandoned').waitedFor >= store.timeout);
  });
});

describe('each grant is followed by one end of the lease', () => {
  afterEach(() => {
    const open = new Set<string>();
    for (const each of heard) {
      const lease = 'token' in each ? `${each.name} ${each.token}` : '';
      if (each.event === 'granted') open.add(lease);
      const isEnd = ['released', 'lost', 'handed-over'].includes(each.event);
      if (isEnd) assert.ok(open.delete(lease), `${each.event} of what was not held`);
    }
    assert.ok(events().includes('granted'));
    assert.deepEqual([...open], []);
  });

  test('a release in doubt has no latency', async () => {
    const store = new ScriptedStore();
    store.answers.release = [cut];
    const lease = await tryAcquire(store, 'import');
    await clock.advance(40);
    await assert.rejects(async () => lease?.release(), StoreError);
    const { after, heldFor, latency } = last('released');
    assert.deepEqual({ after, heldFor, latency }, { after: 0, heldFor: 40, latency: undefined });
  });

  test('a lock that was left to lapse', async () => {
    const lease = await tryAcquire(new MemoryStore(), 'import');
    await clock.advance(10);
    await lease?.release({ after: 500 });
    const { after, heldFor, latency } = last('released');
    assert.deepEqual({ after, heldFor, latency }, { after: 500, heldFor: 10, latency: 0 });
  });

  test('a lease that runs out, or is no longer ours when it is released', async () => {
    const store = new MemoryStore();
    await tryAcquire(store, 'one', { ttl: 1_000, renew: false });
    await clock.advance(1_000);
    assert.equal(last('lost').heldFor, 988);
    const robbed = await tryAcquire(store, 'two');
    await store.release('two', robbed?.token ?? '');
    assert.equal(await robbed?.release(), false);
    assert.equal(last('lost').name, 'two');
  });

  test('a lease that another process takes over', async () => {
    const store = new MemoryStore();
    const lease = await tryAcquire(store, 'import', { ttl: 9_000 });
    await clock.advance(60);
    const ticket = lease?.handOver();
    assert.ok(ticket);
    assert.deepEqual([last('handed-over').ttl, last('handed-over').heldFor], [9_000, 60]);
    await clock.advance(30);
    const adopted = await adopt(store, ticket);
    await clock.advance(5);
    await adopted?.release();
    assert.deepEqual(events(), ['granted', 'handed-over', 'granted', 'released']);
    assert.equal(last('released').heldFor, 5, 'by this process');
  });

  test('a lease that nobody receives: one of several, one that comes too late, or after an abort', async () => {
    const store = new MemoryStore();
    const holder = await acquire(store, 'b');
    assert.equal(await tryAcquireAll(store, ['a', 'b']), null);
    assert.equal(last('released').name, 'a');
    assert.equal(last('released').latency, undefined);
    await holder.release();

    const slow = new ScriptedStore();
    slow.answers.acquire = [after(200, { granted: true })];
    const late = assert.rejects(tryAcquire(slow, 'late', { ttl: 100 }), StoreError);
    await clock.passing(late);
    assert.equal(last('lost').name, 'late');

    const { signal, abort } = aborting();
    const leaving = assert.rejects(acquire(slow, 'left', { signal }));
    await settled();
    abort();
    await leaving;
    await clock.advance(200);
    assert.equal(last('released').name, 'left');
  });
});

test('whoever unsubscribes hears nothing more, and others go on to hear', async () => {
  const store = new MemoryStore();
  let told = 0;
  const end = subscribe('granted', () => void told++);
  await (await tryAcquire(store, 'import'))?.release();
  end();
  end();
  await (await tryAcquire(store, 'import'))?.release();
  assert.equal(told, 1);
  assert.deepEqual(events(), ['granted', 'released', 'granted', 'released']);
});

test('the channels are those of Node.js, by the names of the events', async () => {
  const messages: unknown[] = [];
  const listen = (message: unknown, name: string | symbol) => messages.push([name, message]);
  for (const name of names) diagnostics.subscribe(`dlock:${name}`, listen);
  await (await tryAcquire(new MemoryStore(), 'import'))?.release();
  for (const name of names) diagnostics.unsubscribe(`dlock:${name}`, listen);
  assert.deepEqual(
    messages,
    heard.map(({ event, ...details }) => [`dlock:${event}`, details]),
  );
});

test('an event that does not exist, and a listener that is none, are invalid', () => {
  const listen = () => {};
  assert.throws(() => subscribe('grant' as 'granted', listen), {
    name: 'TypeError',
    message: /^The event of subscribe must be one of granted, .*, store-error, not "grant"$/,
  });
  assert.throws(() => subscribe('granted', {} as typeof listen), {
    name: 'TypeError',
    message: /^The listener of subscribe must be a function, not /,
  });
});

test('nothing is computed while nobody listens', () => {
  for (const end of unsubscribe) end();
  tell('lost', { name: 'import', token: 'a' }, () => assert.fail('computed'));
});

function aborting() {
  const controller = new AbortController();
  const reason = new Error('enough');
  return { signal: controller.signal, abort: () => controller.abort(reason) };
}
