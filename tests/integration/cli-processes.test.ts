/** The processes that dlock stops when the lock is lost, where /proc does not show them all. */
import assert from 'node:assert/strict';
import { chown, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { listProcesses } from '../../src/cli/processes.js';
import { eventually } from '../../src/testing/fixture.js';
import { cli, lines } from '../support/command.js';

/** Without any rights of root's. */
const nobody = 65_534;
/** Makes processes of a namespace of their own, in which nothing outside is changed. */
const unshare = ['--mount', '--pid', '--fork', '--kill-child'];

/** How /proc is before dlock starts, and whether it then can find what the command has started. */
const surroundings = {
  'an empty /proc': { mount: 'mount -t tmpfs none /proc', listed: false },
  'a /proc that may not be listed': {
    mount: 'mount -t tmpfs -o mode=0711 none /proc',
    listed: false,
  },
  'the /proc of another namespace': { mount: ':', listed: false },
  'a /proc that hides the processes of others': {
    mount: 'mount -t proc -o hidepid=2 none /proc',
    listed: true,
  },
};

/** What the command and its child do: both note down that they were asked to end, and end or not. */
const heeding = `trap 'echo >> $asked; exit' TERM; while :; do sleep 0.05; done`;
const stubborn = `trap 'echo >> $asked' TERM; while :; do sleep 0.05; done`;

describe('the lock is lost', { concurrency: 3 }, async () => {
  const { failed } = await execa('unshare', [...unshare, 'true'], { reject: false });
  const skip = failed && 'only root may make the namespaces that these tests need';
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'dlock-processes-'));
    await copyFile(cli, join(directory, 'cli.js'));
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    await chown(directory, nobody, nobody);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** Runs dlock until its lock is lost. */
  async function loseLock(mount: string, script: string) {
    const path = await mkdtemp(join(directory, 'run-'));
    await chown(path, nobody, nobody);
    const [store, ready, asked] = [join(path, 'store'), join(path, 'ready'), join(path, 'asked')];
    const family = `(${script}) & echo >> ${ready}; ${script}`;
    const run = `${mount}; exec setpriv --reuid=${nobody} --regid=${nobody} --clear-groups "$@"`;
    // The first process of the namespace must not be dlock itself, which signals could not end.
    const inNamespace = ['sh', '-c', `(${run}); exit $?`, 'sh', process.execPath];
    const args = [join(directory, 'cli.js'), '--ttl', '3s', '--grace', '500ms', 'job', '--'];
    const started = execa('unshare', [...unshare, ...inNamespace, ...args, 'sh', '-c', family], {
      cwd: directory,
      env: { DLOCK_STORE: pathToFileURL(store).href, asked },
      reject: false,
      stripFinalNewline: false,
    });
    await eventually('it runs', async () => (await lines(ready)).length > 0);
    await rm(store, { recursive: true });
    const { exitCode, stderr } = await started;
    return { exitCode, said: String(stderr), asked: (await lines(asked)).length };
  }

  for (const [what, { mount, listed }] of Object.entries(surroundings)) {
    test(`${what}: the command is asked to end`, { skip }, async () => {
      const { exitCode, said, asked } = await loseLock(mount, heeding);
      assert.equal(exitCode, 76, said);
      assert.equal(asked, listed ? 2 : 1);
      assert.equal(/does not list its processes; .* may still run/.test(said), !listed, said);
    });

    test(`${what}: one that does not end is killed, and only then dlock ends`, {
      skip,
    }, async () => {
      const { exitCode, said, asked } = await loseLock(mount, stubborn);
      assert.equal(exitCode, 76, said);
      assert.ok(asked > 0);
    });
  }
});

test('this machine’s processes are listed, with this one', () => {
  assert.ok(listProcesses()?.some(({ pid }) => pid === process.pid));
});
