/** The example of NestJS does what it says. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Interval, ScheduleModule } from '@nestjs/schedule';
import { Locked, locksModule, Once } from '../../examples/nestjs-jobs.js';
import { eventually } from '../../src/testing/fixture.js';
import { twoStores } from './two-stores.js';

describe('the methods of a NestJS application', { concurrency: true }, () => {
  /** Two instances of one application, each with a store of its own; they end with the test. */
  async function startTwo(t: TestContext, jobs: Type): Promise<INestApplicationContext[]> {
    const starting = twoStores().map((store) => {
      @Module({ imports: [ScheduleModule.forRoot(), locksModule(store)], providers: [jobs] })
      class AppModule {}
      return NestFactory.createApplicationContext(AppModule, { logger: false });
    });
    const apps = await Promise.all(starting);
    t.after(() => Promise.all(apps.map((app) => app.close())));
    return apps;
  }

  test('@Once() runs for each time of the schedule on one of two instances', async (t) => {
    const runs: string[] = [];
    class Jobs {
      @Once('import', '* * * * * *')
      async import(signal: AbortSignal, period: string) {
        runs.push(period);
        await sleep(100, undefined, { signal });
      }
    }
    await startTwo(t, Jobs);
    await eventually('four periods are over', () => runs.length >= 4, 30_000);
    assert.deepEqual(runs, [...new Set(runs)]);
    assert.match(runs[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
  });

  test('@Once() with a wait is taken over by the other instance where it fails', async (t) => {
    const failedOn = new Map<string, object>();
    const takenOver: boolean[] = [];
    class Jobs {
      @Once('import', '* * * * * *', { wait: 30_000 })
      async import(_signal: AbortSignal, period: string) {
        await sleep(100); // until the other has come
        if (!failedOn.has(period)) {
          failedOn.set(period, this);
          throw new Error('it fails');
        }
        takenOver.push(failedOn.get(period) !== this);
      }
    }
    await startTwo(t, Jobs);
    await eventually('two periods are over', () => takenOver.length >= 2, 30_000);
    assert.ok(takenOver.every(Boolean));
  });

  test('@Locked() runs on one instance at a time, and what schedules it may stand below', async (t) => {
    let running = 0;
    let most = 0;
    const ranOn = new Set<object>();
    class Jobs {
      @Locked('clean up')
      @Interval(20)
      async cleanUp(signal: AbortSignal) {
        most = Math.max(most, ++running);
        await sleep(10, undefined, { signal }).finally(() => running--);
        ranOn.add(this);
      }
    }
    await startTwo(t, Jobs);
    await eventually('both have had a turn', () => ranOn.size === 2, 30_000);
    assert.equal(most, 1);
  });

  test('the end of the application stops a method that runs, and waits for it', async (t) => {
    const ended: string[] = [];
    let begun = 0;
    class Jobs {
      @Locked('endless')
      async work(signal: AbortSignal) {
        begun++;
        await sleep(60_000, undefined, { signal }).catch(() => sleep(100));
        ended.push(signal.reason.message);
        signal.throwIfAborted();
      }
    }
    const [one, two] = await startTwo(t, Jobs);
    const working = one?.get(Jobs).work(AbortSignal.abort());
    await eventually('it works', () => begun === 1);
    await two?.get(Jobs).work(AbortSignal.abort());
    assert.equal(begun, 1);
    const rejected = assert.rejects(working ?? Promise.resolve(), /The application ends/);
    await one?.close();
    assert.deepEqual(ended, ['The application ends']);
    await rejected;
  });
});
