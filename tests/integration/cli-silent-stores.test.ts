/** The command before servers that accept a connection and never answer: 69, within a time limit. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Result } from 'execa';
import { assertLine, dlock, fileStore, fresh, lines, running } from '../support/command.js';
import { startSilentServer } from '../support/servers/silent.js';
import { startMemcached, startRedis } from '../support/servers.js';

/** Far more than the five seconds of the limit, since the machine may be busy; far less than forever. */
const patience = 60_000;

/** The outcome; one that hangs is killed, and has no exit code. */
async function outcomeOf(started: ReturnType<typeof dlock>): Promise<Result> {
  const timer = setTimeout(() => started.kill('SIGKILL'), patience);
  const outcome = await started;
  clearTimeout(timer);
  return outcome as Result;
}

async function assertUnusable(store: string): Promise<void> {
  await assertEachUnusable(store, /lock "job".*( within 5000 ms|timeout|closed|does not allow)/);
}

/** With no wait and with an endless one, at the same time. */
async function assertEachUnusable(store: string, message: RegExp): Promise<void> {
  const outcomes = ['0', 'forever'].map((wait) =>
    outcomeOf(dlock(['-q', '--wait', wait, 'job', '--', 'echo', 'ran'], { store })),
  );
  for (const outcome of await Promise.all(outcomes)) {
    assert.deepEqual([outcome.exitCode, outcome.stdout], [69, ''], store);
    assertLine(outcome, message);
  }
}

describe('a server that is silent', { concurrency: 6 }, () => {
  const greetings = {
    'nothing at all': '',
    'half a greeting': '%7\r\n$6\r\nserv',
    'another protocol': 'HTTP/1.1 400 Bad Request\r\n',
  };
  for (const [what, greeting] of Object.entries(greetings)) {
    for (const scheme of ['redis', 'memcache']) {
      test(`${scheme}: ${what}`, async () => {
        await using server = await startSilentServer(greeting);
        await assertUnusable(`${scheme}://127.0.0.1:${server.port}`);
      });
    }
  }

  test('redis over TLS', async () => {
    await using server = await startSilentServer();
    await assertUnusable(`rediss://127.0.0.1:${server.port}`);
  });

  test('redis at a socket', async () => {
    const path = fresh('socket');
    await using _server = await startSilentServer('', path);
    await assertUnusable(`redis+unix://${path}`);
  });

  test('all nodes of a cluster', async () => {
    await using one = await startSilentServer();
    await using two = await startSilentServer();
    await assertUnusable(`redis+cluster://127.0.0.1:${one.port},127.0.0.1:${two.port}`);
  });

  test('the only sentinel', async () => {
    await using server = await startSilentServer();
    await assertUnusable(`redis+sentinel://127.0.0.1:${server.port}/main`);
  });

  test('a majority of a quorum', async () => {
    await using one = await startSilentServer();
    await using two = await startSilentServer();
    const silent = `redis://127.0.0.1:${one.port},memcache://127.0.0.1:${two.port}`;
    await assertEachUnusable(
      `${silent},${fileStore()}`,
      /lock "job".*(no majority|no answer within)/,
    );
  });
});

describe('a server that is frozen', { concurrency: 2 }, () => {
  test('redis', async () => {
    await using server = await startRedis();
    await server.freeze();
    await assertUnusable(server.url);
  });

  test('memcached', async () => {
    await using server = await startMemcached();
    await server.freeze();
    await assertUnusable(`memcache://${server.address}`);
  });
});

describe('a silent member of a quorum stops and delays nobody', { concurrency: 3 }, () => {
  const members = {
    redis: (port: number) => `redis://127.0.0.1:${port}`,
    rediss: (port: number) => `rediss://127.0.0.1:${port}`,
    memcache: (port: number) => `memcache://127.0.0.1:${port}`,
    'redis+cluster': (port: number) => `redis+cluster://127.0.0.1:${port}`,
    'redis+sentinel': (port: number) => `redis+sentinel://127.0.0.1:${port}/main`,
  };
  for (const [scheme, url] of Object.entries(members)) {
    test(scheme, async () => {
      await using server = await startSilentServer();
      const store = [url(server.port), fileStore(), fileStore()].join();
      const go = fresh('go');
      const script = `while ! test -e ${go}; do sleep 0.05; done; exit 3`;
      const { started } = await running(['job'], script, { store });
      assert.ok(server.clients > 0, 'the command runs while the member has yet to greet');
      const held = await dlock(['job', '--', 'true'], { store });
      assert.equal(held.exitCode, 75, String(held.stderr));
      await dlock(['other', '--', 'touch', go], { store });
      const outcome = await started;
      assert.deepEqual([outcome.exitCode, outcome.stderr], [3, '']);
    });
  }
});

test('a period whose lock another holds, as a plain one, is not waited for without end', async () => {
  const store = fileStore();
  const { started } = await running(['job@today'], 'exec sleep 60', { store });
  const ran = fresh('ran');
  const args = ['--ttl', '2s', '--once', 'today', 'job', '--', 'sh', '-c', `echo >> ${ran}`];
  const outcome = await outcomeOf(dlock(args, { store }));
  assert.ok(outcome.exitCode === 0 || outcome.exitCode === 75, String(outcome.stderr));
  assert.equal((await lines(ran)).length, outcome.exitCode === 0 ? 1 : 0);
  started.kill('SIGTERM');
  await started;
});
