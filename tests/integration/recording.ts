/** What a run of `once` that records itself in the transaction of its results must show, in every database. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LeaseLostError, type LockStore, once, type Query, type Run, StoreError } from 'dlock-js';
import type { Results } from '../support/results.js';
import { killAtEveryStep } from './exactly-once.js';

/** A database with the locks and the results, as these tests look into it. */
export interface RecordingDatabase {
  readonly url: string;
  readonly results: Results;
  /** The rows of an answer. */
  ask(statement: string): Promise<readonly Record<string, unknown>[]>;
  /** A statement after which no lock is held. */
  readonly losing: string;
}

const done = { ran: false, reason: 'done' };
const period = '2026-11-24T05';

export function testRecording({ url, results, ask, losing }: RecordingDatabase): void {
  const { store, transaction } = results;

  async function written(job: string): Promise<number> {
    return (await ask(`SELECT period FROM results WHERE job = '${job}'`)).length;
  }

  /** A body that writes one result. */
  const importing = (job: string) => (_lease: unknown, run: Run) =>
    transaction(async ({ query, write }) => {
      await run.recordIn(query);
      await write(job, 1);
    });

  test('a run that records itself is done when its transaction is', async () => {
    const job = 'plain';
    assert.deepEqual(await once(store, job, period, importing(job)), {
      ran: true,
      value: undefined,
    });
    assert.deepEqual(await once(store, job, period, importing(job)), done);
    assert.equal(await written(job), 1);
    assert.ok((await once(store, job, 'next', importing(job))).ran);
  });

  test('a transaction that is rolled back leaves the period free, and it can be tried again', async () => {
    const job = 'rolled back';
    const failure = new Error('the import failed');
    const failing = once(store, job, period, (_lease, run) =>
      transaction(async ({ query, write }) => {
        await run.recordIn(query);
        await write(job, 1);
        throw failure;
      }),
    );
    await assert.rejects(failing, (error) => error === failure);
    const again = await once(store, job, period, async (lease, run) => {
      await assert.rejects(
        transaction(async ({ query }) => {
          await run.recordIn(query);
          throw failure;
        }),
      );
      await importing(job)(lease, run);
      return 'the second time';
    });
    assert.deepEqual(again, { ran: true, value: 'the second time' });
    assert.equal(await written(job), 1);
    assert.deepEqual(await once(store, job, period, importing(job)), done);
  });

  test('a body that succeeds without a commit is told so, and the period is free', async () => {
    const job = 'not committed';
    const silent = once(store, job, period, async (_lease, run) => {
      await transaction(async ({ query }) => {
        await run.recordIn(query);
        throw new Error('swallowed');
      }).catch(() => {});
    });
    await assert.rejects(silent, (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /"not committed", period .*has not been committed/);
      return true;
    });
    const deaf = once(store, job, period, async (_lease, run) => {
      await run.recordIn(() => Promise.reject(new Error('no connection'))).catch(() => {});
    });
    await assert.rejects(deaf, /no connection/);
    assert.ok((await once(store, job, period, importing(job))).ran);
  });

  test('a body that fails after the commit has recorded the period all the same', async () => {
    const job = 'fails late';
    const failure = new Error('after the commit');
    const failing = once(store, job, period, async (lease, run) => {
      await importing(job)(lease, run);
      throw failure;
    });
    await assert.rejects(failing, (error) => error === failure);
    assert.deepEqual(await once(store, job, period, importing(job)), done);
  });

  test('a runner whose lease has lapsed records nothing', async () => {
    const job = 'too late';
    const late = once(
      store,
      job,
      period,
      async (lease, run) => {
        while (lease.held) await delay(10);
        await importing(job)(lease, run);
      },
      { ttl: 200, renew: false },
    );
    await assert.rejects(late, LeaseLostError);
    assert.equal(await written(job), 0);
  });

  test('a runner that only the server knows to have lost its lease records nothing', async () => {
    const job = 'overtaken';
    const overtaken = once(store, job, period, (_lease, run) =>
      transaction(async ({ query, write }) => {
        await write(job, 1);
        await ask(losing);
        await run.recordIn(query);
      }),
    );
    await assert.rejects(overtaken, (error: Error) => {
      assert.ok(error instanceof LeaseLostError);
      assert.match(
        error.message,
        /"overtaken", period .* is lost: the store says that it is not ours/,
      );
      return true;
    });
    assert.equal(await written(job), 0);
  });

  test('a transaction may last for longer than the ttl, and stands though the lease is lost', async () => {
    const job = 'long';
    const options = { ttl: 300, renew: false };
    const outcome = await once(
      store,
      job,
      period,
      (lease, run) =>
        transaction(async ({ query, write }) => {
          await run.recordIn(query);
          while (lease.held) await delay(10);
          await delay(300);
          assert.ok(
            !(
              await once(store, job, period, () => assert.fail('it is ours'), options).catch(
                () => ({
                  ran: false,
                }),
              )
            ).ran,
          );
          await write(job, 1);
        }),
      options,
    );
    assert.ok(outcome.ran);
    assert.equal(await written(job), 1);
    assert.deepEqual(await once(store, job, period, importing(job)), done);
  });

  test('what is no function is no query', async () => {
    const wrong = once(store, 'wrong', period, (_lease, run) => run.recordIn('SELECT 1' as never));
    await assert.rejects(wrong, { name: 'TypeError', message: /^The query of lock "wrong"/ });
  });

  describe('a process is killed at every step, a hundred times in all', {
    concurrency: true,
  }, () => {
    for (let job = 1; job <= 7; job++) {
      test(`job ${job}: the results of each period are there exactly once`, async () => {
        const lastPeriod = await killAtEveryStep(url, `job ${job}`, job, 15);
        assert.ok(lastPeriod >= 3, `${lastPeriod} periods`);
        const rows = await ask(
          `SELECT period, COUNT(*) AS parts, COUNT(DISTINCT process) AS runs FROM results
         WHERE job = 'job ${job}' GROUP BY period ORDER BY period`,
        );
        const counts = rows.map(({ period, parts, runs }) => ({
          period,
          parts: Number(parts),
          runs: Number(runs),
        }));
        const expected = Array.from({ length: lastPeriod }, (_, index) => ({
          period: index + 1,
          parts: 2,
          runs: 1,
        }));
        // One more may have been run, and not told of, when all were told to stop.
        assert.deepEqual(counts.slice(0, lastPeriod), expected);
      });
    }
  });

  test('a body that takes no run is recorded as on any store', async () => {
    assert.ok((await once(store, 'by itself', period, () => 1)).ran);
    assert.deepEqual(await once(store, 'by itself', period, () => 1), done);
  });
}

/** By the names of clients: each carries out `work` in a transaction of its own. */
export type Transactions = Record<string, (work: (query: Query) => Promise<void>) => Promise<void>>;

export function testTransactions(store: LockStore, transactions: Transactions): void {
  describe('a run records itself in a transaction of', () => {
    for (const [name, within] of Object.entries(transactions)) {
      test(name, async () => {
        const body = (_lease: unknown, run: Run) => within((query) => run.recordIn(query));
        assert.ok((await once(store, name, period, body)).ran);
        assert.deepEqual(await once(store, name, period, body), done);
      });
    }
  });
}
