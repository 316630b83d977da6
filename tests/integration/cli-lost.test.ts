/** The command whose lease is lost, or whose store is gone in the end. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';
import { eventually } from '../../src/testing/fixture.js';
import { alive, assertLine, dlock, fileStore, fresh, lines, running } from '../support/command.js';
import { sharedRedis, startRedis } from '../support/servers.js';

/** Processes that ignore SIGTERM: the command, its child, and a grandchild whose parent has ended. */
function stubborn(beats: string): string {
  const beat = `trap "" TERM; while :; do date +%s%N >> ${beats}; sleep 0.02; done`;
  return `trap "" TERM; (${beat}) & (setsid sh -c '${beat}' & ) ; ${beat}`;
}

describe('a lease that is lost', { concurrency: 3 }, () => {
  test('the command and all that it started are stopped: 76', async (t) => {
    const client = await createClient({ url: await sharedRedis() }).connect();
    t.after(() => client.destroy());
    const store = await sharedRedis();
    const job = fresh('job');
    const beats = fresh('beats');
    const options = ['--ttl', '3s', '--grace', '500ms', job];
    const { started } = await running(options, stubborn(beats), { store });
    await eventually('it beats', async () => (await lines(beats)).length > 10);
    await client.set(`dlock:${job}`, 'a thief', { PX: 60_000 });
    const outcome = await started;
    assert.equal(outcome.exitCode, 76);
    assertLine(outcome, /lock .* is lost: .*not ours.*; stopping the command/);
    const count = (await lines(beats)).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal((await lines(beats)).length, count, 'no heart beats any more');
    assert.equal(await client.get(`dlock:${job}`), 'a thief');
    await client.del(`dlock:${job}`);
  });

  test('a store that is gone: all is over by the deadline', async () => {
    await using server = await startRedis();
    const beats = fresh('beats');
    const options = ['--ttl', '6s', '--grace', '1h', 'job'];
    const { started } = await running(options, stubborn(beats), { store: server.url });
    await eventually('it beats', async () => (await lines(beats)).length > 10);
    await server.freeze();
    const frozen = Date.now();
    const outcome = await started;
    assert.equal(outcome.exitCode, 76);
    assertLine(
      outcome,
      /lock "job": the lease could not be renewed in time \(.*\); stopping the command/,
    );
    const last = Math.max(...(await lines(beats)).map((nanoseconds) => Number(nanoseconds) / 1e6));
    assert.ok(last > frozen, 'it ran on for a while');
    assert.ok(last < frozen + 6_000, `it ran ${last - frozen} ms after the last renewal`);
  });

  test('a command that heeds SIGTERM has its time to clean up', async () => {
    const store = fileStore();
    const cleaned = fresh('cleaned');
    const script = `trap "sleep 0.2; echo > ${cleaned}; exit 0" TERM; while :; do sleep 0.05; done`;
    const options = ['--ttl', '3s', '--grace', '1s', 'job'];
    const { started } = await running(options, script, { store });
    await rm(fileURLToPath(store), { recursive: true });
    assert.equal((await started).exitCode, 76);
    assert.ok(existsSync(cleaned));
  });

  test('dlock stopped beyond its ttl, and continued: 76', async () => {
    const store = fileStore();
    const { started, command } = await running(['--ttl', '2s', 'job'], 'exec sleep 60', { store });
    started.kill('SIGSTOP');
    const thief = await dlock(['--wait', '30s', 'job', '--', 'true'], { store });
    assert.equal(thief.exitCode, 0, 'another had the lock in the meantime');
    assert.ok(alive(command), 'while the command ran on');
    started.kill('SIGCONT');
    const outcome = await started;
    assert.equal(outcome.exitCode, 76);
    assertLine(outcome, /lock "job" is lost: .*; stopping the command/);
    assert.ok(!alive(command));
  });

  test('a store that freezes for a moment is ridden out', async () => {
    await using server = await startRedis();
    const go = fresh('go');
    const script = `while ! test -e ${go}; do sleep 0.05; done; exit 6`;
    const { started } = await running(['--ttl', '6s', 'job'], script, { store: server.url });
    await server.freeze();
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    await server.thaw();
    await writeFile(go, '');
    const { exitCode, stderr } = await started;
    assert.deepEqual([exitCode, stderr], [6, '']);
    const again = await dlock(['job', '--', 'true'], { store: server.url });
    assert.equal(again.exitCode, 0, 'and the lock is free');
  });

  for (const code of [0, 6]) {
    for (const how of ['kill', 'freeze'] as const) {
      test(`the store gone (${how}) when the command ends with ${code}: that, and one line`, async () => {
        await using server = await startRedis();
        const go = fresh('go');
        const script = `while ! test -e ${go}; do sleep 0.05; done; exit ${code}`;
        const { started } = await running(['--once', 'today', 'job'], script, {
          store: server.url,
        });
        await server[how]();
        const start = performance.now();
        await writeFile(go, '');
        const outcome = await started;
        assert.equal(outcome.exitCode, code);
        assertLine(outcome, /lock "job": the store could not be told that the command has ended/);
        assert.ok(performance.now() - start < 10_000, 'soon');
      });
    }
  }
});
