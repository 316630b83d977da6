/** The command, with its lock in a cluster or behind sentinels. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { eventually } from '../../src/testing/fixture.js';
import { startCluster } from '../servers/cluster.js';
import { startSentinelGroup } from '../servers/sentinel.js';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const cluster = await startCluster();
after(() => cluster.stop());
const group = await startSentinelGroup();
after(() => group.stop());

/** Starts dlock; its outcome is not an error, whatever it is. */
function dlock(store: string, ...args: string[]) {
  const options = { env: { DLOCK_STORE: store }, reject: false };
  return execa(process.execPath, ['--import', 'tsx', main, ...args], options);
}

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
    first.stdout.on('data', (chunk) => {
      output += chunk;
    });
    await eventually('it runs', () => /^\d+\n/.test(output), 60_000);
    assert.equal((await dlock(store, lock, '--', 'true')).exitCode, 75);
    const third = dlock(store, '--wait', 'forever', lock, '--', 'true');
    first.stdin.end('go on\n');
    assert.equal((await first).exitCode, 0);
    assert.equal((await third).exitCode, 0);
  });
}

describe('what cannot be', () => {
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
      assert.equal(exitCode, 64, stderr);
      assert.ok(!stderr.includes('secret'), stderr);
    });
  }

  for (const store of ['redis+cluster://127.0.0.1:1', 'redis+sentinel://127.0.0.1:1/main']) {
    test(`${store}, where nobody is, is unusable`, async () => {
      const { exitCode, stderr } = await dlock(store, 'import', '--', 'true');
      assert.equal(exitCode, 69, stderr);
    });
  }
});
