/** The command, with its lock in a cluster or behind sentinels. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { eventually } from '../../src/testing/fixture.js';
import { dlock as start } from '../support/command.js';
import { startCluster } from '../support/servers/cluster.js';
import { ask } from '../support/servers/ports.js';
import { startSentinelGroup } from '../support/servers/sentinel.js';
import { startSilentServer } from '../support/servers/silent.js';

const cluster = await startCluster();
after(() => cluster.stop());
const group = await startSentinelGroup();
after(() => group.stop());

const dlock = (store: string, ...args: string[]) => start(args, { store });

const addresses = (servers: readonly { port: number }[]) =>
  servers.map(({ port }) => `127.0.0.1:${port}`).join();

const stores = {
  cluster: `redis+cluster://${addresses(cluster.nodes)}`,
  'cluster, by one address': `redis+cluster://${addresses(cluster.nodes.slice(0, 1))}`,
  sentinel: `redis+sentinel://${addresses(group.sentinels)}/${group.name}`,
};

for (const [name, store] of Object.entries(stores)) {
  test(`${name}: one runs, the other is refused, a third waits`, async () => {
    const lock = `import by ${name}`;
    const first = dlock(store, lock, '--', 'sh', '-c', 'echo $DLOCK_FENCE; read line');
    let output = '';
    first.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    await eventually('it runs', () => /^\d+\n/.test(output), 60_000);
    assert.equal((await dlock(store, lock, '--', 'true')).exitCode, 75);
    const third = dlock(store, '--wait', 'forever', lock, '--', 'true');
    first.stdin?.end('go on\n');
    assert.equal((await first).exitCode, 0);
    assert.equal((await third).exitCode, 0);
  });
}

describe('addresses where nobody answers are passed over', { concurrency: 2 }, () => {
  const silent = [startSilentServer(), startSilentServer(), startSilentServer()];
  after(async () => {
    for (const server of silent) await (await server)[Symbol.asyncDispose]();
  });
  const real = {
    'redis+cluster': addresses(cluster.nodes.slice(0, 1)),
    'redis+sentinel': `${addresses(group.sentinels.slice(0, 1))}/${group.name}`,
  };

  for (const [scheme, answering] of Object.entries(real)) {
    test(scheme, async () => {
      const nodes = `${addresses(await Promise.all(silent))},127.0.0.1:1,${answering}`;
      const outcome = await dlock(`${scheme}://${nodes}`, 'import', '--', 'echo', 'ran');
      assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
    });
  }
});

test('a cluster whose other nodes are frozen still has the locks of one that is not', async () => {
  const [first, ...others] = cluster.nodes;
  assert.ok(first);
  // The others' keys are answered with MOVED, and those of all by a replica.
  const names = Array.from({ length: 50 }, (_, index) => `import-${index}`);
  const answers = await Promise.all(names.map((name) => ask(first.port, `GET dlock:${name}`)));
  const name = names[answers.indexOf('$-1\r\n')];
  assert.ok(name, 'the first node is a master');
  await Promise.all(others.map((node) => node.freeze()));
  try {
    const outcome = await dlock(`redis+cluster://${addresses([first])}`, name, '--', 'echo', 'ran');
    assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
  } finally {
    await Promise.all(others.map((node) => node.thaw()));
  }
});

describe('what cannot be', { concurrency: 3 }, () => {
  for (const store of [
    'redis+cluster://',
    'redis+cluster://one,,two',
    'redis+cluster://one:port',
    'redis+cluster://one/0',
    'redis+sentinel://one',
    'redis+sentinel://one/',
    'redis+other://one',
    'redis+cluster://user:secret#word@one',
  ]) {
    test(`${store} is an error of usage, and shows no password`, async () => {
      const { exitCode, stderr } = await dlock(store, 'import', '--', 'true');
      assert.equal(exitCode, 64, String(stderr));
      assert.ok(!String(stderr).includes('secret'), String(stderr));
    });
  }

  for (const store of ['redis+cluster://127.0.0.1:1', 'redis+sentinel://127.0.0.1:1/main']) {
    test(`${store}, where nobody is, is unusable`, async () => {
      const { exitCode, stderr } = await dlock(store, 'import', '--', 'true');
      assert.equal(exitCode, 69, String(stderr));
    });
  }
});
