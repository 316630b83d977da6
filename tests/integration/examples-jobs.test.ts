/** The examples of scheduled jobs do what they say. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Import, scheduleImport } from '../../examples/hourly-import.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { eventually } from '../../src/testing/fixture.js';
import { twoStores } from './two-stores.js';

/** Schedules the import on two servers, each second, and ends when four periods are over on both. */
async function importOnTwoServers(t: TestContext, runImport: Import) {
  const outcomes = new Map<string, string[]>();
  const note = (period: string, outcome: string) => {
    outcomes.set(period, [...(outcomes.get(period) ?? []), outcome].sort());
  };
  t.mock.method(console, 'log', (line: string) => {
    const [period = '', outcome = ''] = line.split(' ');
    note(period, outcome);
  });
  t.mock.method(console, 'error', ({ message }: Error) => note(message, 'failed'));
  const stores = twoStores();
  const jobs = stores.map((store) => scheduleImport(store, runImport, '* * * * * *'));
  const overOnBoth = () => [...outcomes.values()].filter(({ length }) => length === 2);
  await eventually('four periods are over', () => overOnBoth().length >= 4, 30_000);
  for (const job of jobs) job.stop();
  await eventually('nobody works', () => !jobs.some((job) => job.isBusy()));
  return overOnBoth();
}

describe('the hourly import', () => {
  test('runs once for each period, on two servers that are punctual', async (t) => {
    const runs: string[] = [];
    const outcomes = await importOnTwoServers(t, async (period, signal) => {
      runs.push(period);
      await sleep(100, undefined, { signal });
    });
    assert.deepEqual(runs, [...new Set(runs)]);
    assert.match(runs[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    for (const pair of outcomes) assert.deepEqual(pair, ['done', 'imported']);
  });

  test('is taken over where it fails', async (t) => {
    const tried = new Set<string>();
    const outcomes = await importOnTwoServers(t, async (period) => {
      if (tried.has(period)) return;
      tried.add(period);
      throw new Error(period);
    });
    for (const pair of outcomes) assert.deepEqual(pair, ['failed', 'imported']);
  });

  test('names the period for which it was scheduled, even if it begins late', async (t) => {
    t.mock.method(console, 'log', () => {});
    const begun: { period: string; at: string }[] = [];
    const runImport = async (period: string) => {
      begun.push({ period, at: new Date().toISOString().slice(0, 19) });
    };
    await sleep(3_900 - (Date.now() % 4_000));
    const job = scheduleImport(new MemoryStore(), runImport, '*/4 * * * * *');
    // A busy server: it cannot begin in the second that it should, but still in its period.
    const strike = Math.ceil(Date.now() / 4_000) * 4_000;
    while (Date.now() < strike + 1_200);
    await eventually('it has begun', () => begun.length > 0);
    job.stop();
    const [run] = begun;
    assert.equal(run?.period, new Date(strike).toISOString().slice(0, 19));
    assert.notEqual(run?.at, run?.period);
  });
});
