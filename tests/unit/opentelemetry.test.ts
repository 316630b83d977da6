/** Metrics and spans, as the SDK of OpenTelemetry gets them. */
import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { context, metrics, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { acquire, adopt, once, tryAcquire } from 'dlock-js';
import { MemoryStore } from 'dlock-js/memory';
import { instrument } from 'dlock-js/opentelemetry';
import { useClock } from '../../src/base/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const exported = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({
  exporter: exported,
  exportIntervalMillis: 3_600_000,
});
const meters = new MeterProvider({ readers: [reader] });
const spans = new InMemorySpanExporter();
const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
metrics.setGlobalMeterProvider(meters);
trace.setGlobalTracerProvider(tracers);
after(() => Promise.all([meters.shutdown(), tracers.shutdown()]));

let stop = () => {};
let clock: FakeClock;
/** The metrics of one test have a meter of their own: those of a provider only ever grow. */
let scope: string;
beforeEach((t) => {
  clock = FakeClock.install();
  spans.reset();
  scope = t.name;
});
afterEach(() => {
  stop();
  useClock();
});

const start = (options: Parameters<typeof instrument>[0] = {}) => {
  stop = instrument({ meter: meters.getMeter(scope), ...options });
};

/** What the meter of this test has recorded: `metric attributes` to a sum, or how many and how long in all. */
async function recorded(): Promise<Record<string, unknown>> {
  exported.reset();
  await reader.forceFlush();
  const all = exported
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.find((each) => each.scope.name === scope);
  const points = (all?.metrics ?? []).flatMap(({ descriptor, dataPoints }) =>
    dataPoints.map(({ attributes, value }) => {
      const shown = Object.values(attributes).join(' ');
      const isSum = typeof value === 'number';
      const histogram = value as { count: number; sum?: number };
      const figure = isSum ? value : [histogram.count, Number(histogram.sum?.toFixed(6))];
      return [`${descriptor.name} ${shown}`, figure];
    }),
  );
  return Object.fromEntries(points);
}

const finished = () => spans.getFinishedSpans();
const named = (name: string) => finished().filter((span) => span.name === name);
const lengthOf = ({ duration: [seconds, nanoseconds] }: ReadableSpan) =>
  seconds * 1_000 + nanoseconds / 1e6;

describe('metrics', () => {
  test('waits and holds in seconds, and how they ended', async () => {
    start();
    const store = new MemoryStore();
    const first = await acquire(store, 'import');
    const second = acquire(store, 'import');
    const impatient = acquire(store, 'import', { wait: 250 });
    await clock.passing(assert.rejects(impatient));
    await clock.advance(350);
    assert.equal(await tryAcquire(store, 'import'), null);
    await first.release();
    const ticket = (await second).handOver();
    const adopted = await adopt(store, ticket);
    assert.ok(adopted);
    await clock.advance(2_000);
    await store.release('import', ticket.token);
    assert.equal(await adopted.release(), false);
    assert.deepEqual(await recorded(), {
      'dlock.wait.duration import granted': [3, 0.6],
      'dlock.wait.duration import timeout': [1, 0.25],
      'dlock.hold.duration import released': [1, 0.6],
      'dlock.hold.duration import handed_over': [1, 0],
      'dlock.hold.duration import lost': [1, 2],
      'dlock.refusals import': 1,
      'dlock.losses import': 1,
    });
  });

  test('losses are 0 before the first', async () => {
    start();
    const lease = await tryAcquire(new MemoryStore(), 'import', { ttl: 1_000, renew: false });
    assert.equal((await recorded())['dlock.losses import'], 0);
    await clock.advance(1_000);
    assert.equal((await recorded())['dlock.losses import'], 1);
    assert.equal(lease?.held, false);
  });

  test('errors of the store, by what it was asked', async () => {
    start();
    const store = new ScriptedStore();
    const lease = await tryAcquire(store, 'import');
    store.answers.extend = [cut];
    store.answers.release = [cut];
    await assert.rejects(async () => lease?.extend());
    await assert.rejects(async () => lease?.release());
    const { 'dlock.store.errors import extend': extend, ...others } = await recorded();
    assert.equal(extend, 1);
    assert.ok(Number(others['dlock.store.errors import release']) >= 1);
    assert.deepEqual(others['dlock.hold.duration import released'], [1, 0]);
  });

  test('names, units and buckets are those of the conventions', async () => {
    start();
    const store = new MemoryStore();
    const lease = await acquire(store, 'import');
    await tryAcquire(store, 'import');
    await lease.release();
    await recorded();
    const all =
      exported
        .getMetrics()
        .at(-1)
        ?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? [];
    const units = all.map(({ descriptor: { name, unit } }) => [name, unit]);
    assert.deepEqual(
      new Map(units as [string, string][]),
      new Map([
        ['dlock.wait.duration', 's'],
        ['dlock.hold.duration', 's'],
        ['dlock.refusals', '{refusal}'],
        ['dlock.losses', '{loss}'],
        ['dlock.store.errors', '{error}'],
      ]),
    );
    for (const { descriptor, dataPoints } of all) {
      assert.match(descriptor.name, /^dlock(\.[a-z]+)+$/);
      for (const { attributes, value } of dataPoints) {
        for (const name of Object.keys(attributes)) assert.match(name, /^dlock(\.[a-z_]+)+$/);
        if (typeof value === 'number') continue;
        const { boundaries } = (value as { buckets: { boundaries: number[] } }).buckets;
        assert.deepEqual([boundaries[0], boundaries.at(-1)], [0.001, 3_600]);
      }
    }
  });
});

describe('groups of locks', () => {
  const groups = async () =>
    Object.keys(await recorded())
      .filter((key) => key.startsWith('dlock.hold'))
      .map((key) => key.slice('dlock.hold.duration '.length, -' released'.length));

  test('leave out what looks like an id', async () => {
    start();
    const store = new MemoryStore();
    for (const name of [
      'import',
      'order 4711',
      'order 4712',
      'tenant:9f3e1b2c-beef-cafe-dead-abcdefabcdef:sync',
      'tenant:ffffffff-beef-cafe-dead-abcdefabcdef:sync',
      'report 2026-11-24T05:00',
      'report 2026-11-25T05:00',
      'user/01ARZ3NDEKTSV4RRFFQ69G5FAV',
      'mail of ångström7@example.org',
    ]) {
      await (await tryAcquire(store, name))?.release();
    }
    assert.deepEqual(await groups(), [
      'import',
      'order *',
      'tenant:*:sync',
      'report *',
      'user/*',
      'mail of *@example.org',
    ]);
  });

  test('are a hundred at most, whatever names there are', async () => {
    start();
    const store = new MemoryStore();
    const letters = 'abcdefghijklmnop';
    for (let index = 0; index < 256; index++) {
      const word = `${letters[index >> 4]}${letters[index & 15]}`;
      await (await tryAcquire(store, word))?.release();
    }
    await (await tryAcquire(store, 'aa'))?.release();
    const metrics = await recorded();
    assert.equal((await groups()).length, 101);
    assert.deepEqual(metrics['dlock.hold.duration _OTHER released'], [156, 0]);
    assert.deepEqual(metrics['dlock.hold.duration aa released'], [2, 0]);
  });

  test('are the ones that the user makes', async () => {
    start({ groupOf: (name) => name.split(':')[0] ?? '' });
    const store = new MemoryStore();
    await (await tryAcquire(store, 'customer:alice'))?.release();
    await once(store, 'nightly:report', '2026-11-24', () => {});
    assert.deepEqual(await groups(), ['customer', 'nightly']);
    assert.ok(named('dlock hold customer')[0]);
  });
});

describe('spans', () => {
  test('of a wait and a hold, below the span in which the lock was asked for', async () => {
    start();
    const store = new MemoryStore();
    const tracer = trace.getTracer('test');
    const request = (name: string, hold: number) =>
      tracer.startActiveSpan(name, async (span) => {
        const lease = await acquire(store, 'order 4711');
        await clock.advance(hold);
        await lease.release();
        span.end();
      });
    const first = request('A', 600);
    await clock.advance(0);
    await Promise.all([first, request('B', 50)]);
    const waits = named('dlock wait order *');
    const holds = named('dlock hold order *');
    assert.deepEqual(waits.map(parentOf), ['A', 'B']);
    assert.deepEqual(holds.map(parentOf), ['A', 'B']);
    assert.deepEqual(waits.map(lengthOf).map(Math.round), [0, 600]);
    for (const [index, hold] of holds.entries()) {
      const { 'dlock.hold.outcome': outcome, ...lease } = hold.attributes;
      assert.equal(outcome, 'released');
      assert.equal(lease['dlock.lock.name'], 'order 4711');
      assert.equal(lease['dlock.lock.group'], 'order *');
      assert.equal(typeof lease['dlock.lease.fence'], 'number');
      assert.match(String(lease['dlock.lease.token']), /^[\da-f]{8}$/);
      assert.deepEqual(waits[index]?.attributes, { ...lease, 'dlock.wait.outcome': 'granted' });
    }
  });

  test('of a wait without a lock', async () => {
    start();
    const store = new MemoryStore();
    const holder = await acquire(store, 'import');
    const tracer = trace.getTracer('test');
    await tracer.startActiveSpan('A', async (span) => {
      await clock.passing(assert.rejects(acquire(store, 'import', { wait: 250 })));
      span.end();
    });
    await holder.release();
    const wait = named('dlock wait import').at(-1);
    assert.ok(wait);
    assert.equal(parentOf(wait), 'A');
    assert.equal(Math.round(lengthOf(wait)), 250);
    assert.equal(wait.attributes['dlock.wait.outcome'], 'timeout');
    assert.equal(wait.status.code, SpanStatusCode.UNSET, 'it was held, which is no fault');
  });

  test('of what went wrong are marked so', async () => {
    start();
    const store = new ScriptedStore();
    const lease = await tryAcquire(store, 'import');
    store.answers.extend = [false];
    await assert.rejects(async () => lease?.extend());
    store.answers.acquire = [cut];
    await assert.rejects(acquire(store, 'import'));
    const [hold] = named('dlock hold import');
    assert.equal(hold?.attributes['dlock.hold.outcome'], 'lost');
    assert.equal(hold.status.code, SpanStatusCode.ERROR);
    assert.match(hold.status.message ?? '', /not ours/);
    const wait = named('dlock wait import').at(-1);
    assert.equal(wait?.attributes['dlock.wait.outcome'], 'store_error');
    assert.equal(wait.status.code, SpanStatusCode.ERROR);
  });

  test('of holders side by side, and of a period', async () => {
    start();
    const store = new MemoryStore();
    const readers = await Promise.all([1, 2].map(() => acquire(store, 'catalogue', { limit: 2 })));
    for (const reader of readers) await reader.release();
    await once(store, 'import', 'today', () => {});
    const holds = named('dlock hold catalogue');
    assert.equal(new Set(holds.map(({ attributes }) => attributes['dlock.lease.token'])).size, 2);
    for (const { attributes } of holds) assert.equal(attributes['dlock.lock.limit'], 2);
    assert.deepEqual(
      named('dlock hold import').map(({ attributes }) => attributes['dlock.lock.period']),
      ['today', undefined],
    );
  });

  test('end with the instrumentation', async () => {
    start();
    const lease = await tryAcquire(new MemoryStore(), 'import');
    stop();
    assert.equal(named('dlock hold import').length, 1);
    await lease?.release();
    await (await tryAcquire(new MemoryStore(), 'import'))?.release();
    assert.equal(finished().length, 2, 'the wait and the hold');
  });
});

describe('one call', () => {
  test('takes the global providers', async () => {
    stop = instrument();
    await (await tryAcquire(new MemoryStore(), 'import'))?.release();
    scope = 'dlock-js';
    assert.deepEqual(Object.keys(await recorded()), [
      'dlock.wait.duration import granted',
      'dlock.hold.duration import released',
      'dlock.losses import',
    ]);
    assert.deepEqual(
      finished().map(({ instrumentationScope }) => instrumentationScope.name),
      ['dlock-js', 'dlock-js'],
    );
  });

  test('leaves out metrics, or spans', async () => {
    start({ tracer: null });
    await (await tryAcquire(new MemoryStore(), 'import'))?.release();
    assert.equal(finished().length, 0);
    assert.equal(Object.keys(await recorded()).length, 3);
    stop();
    start({ meter: null });
    await (await tryAcquire(new MemoryStore(), 'import'))?.release();
    assert.equal(finished().length, 2);
    assert.deepEqual((await recorded())['dlock.wait.duration import granted'], [1, 0]);
  });

  test('takes a tracer of its own', async () => {
    const made: string[] = [];
    const tracer = new Proxy(trace.getTracer('own'), {
      get(target, key) {
        if (key !== 'startSpan') return Reflect.get(target, key);
        return (...args: Parameters<Tracer['startSpan']>) => {
          made.push(args[0]);
          return target.startSpan(...args);
        };
      },
    });
    start({ tracer });
    await (await tryAcquire(new MemoryStore(), 'import'))?.release();
    assert.deepEqual(made, ['dlock wait import', 'dlock hold import']);
  });
});

/** The name of the span above. */
function parentOf({ parentSpanContext }: ReadableSpan): string | undefined {
  return finished().find((span) => span.spanContext().spanId === parentSpanContext?.spanId)?.name;
}
