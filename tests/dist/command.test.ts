/** The installed command: on an old Node.js, and by npx. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { execa } from 'execa';
import { Consumer, nodeOf } from './consumer.js';

const consumer = await Consumer.create();
after(() => consumer[Symbol.asyncDispose]());
const start = join(consumer.installed, 'dist/cli/start.js');

for (const version of ['14', '18', '20.3']) {
  test(`on Node.js ${version} it says which one it needs: 70`, { timeout: 120_000 }, async () => {
    const [node] = await nodeOf(version);
    const outcome = await execa(node, [start, '--version'], { reject: false });
    assert.equal(outcome.exitCode, 70);
    assert.equal(outcome.stdout, '');
    assert.match(
      outcome.stderr,
      /^dlock: Node\.js 20\.\d+ or later is needed; this is \d[\d.]+, \/.*\/node$/,
    );
    assert.ok(outcome.stderr.includes(node));
  });
}

test('npx dlock-js runs it, since it is the one command of the package', async () => {
  const args = ['--offline', 'dlock-js', 'job', '--', 'sh', '-c', 'echo "$DLOCK_NAME"; exit 3'];
  const outcome = await execa('npx', args, {
    cwd: consumer.folder,
    env: { DLOCK_STORE: `file://${consumer.folder}/store` },
    reject: false,
  });
  assert.deepEqual([outcome.exitCode, outcome.stdout], [3, 'job'], outcome.stderr);
});
