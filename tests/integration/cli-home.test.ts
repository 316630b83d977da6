/** Where the command keeps its locks if no store is named: the user's home, and when not there. */
import assert from 'node:assert/strict';
import { chmod, chown, copyFile, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { execa } from 'execa';
import { UnusableStore } from '../../src/cli/client.js';
import { userDirectory } from '../../src/cli/home.js';
import { assertLine, cli, fresh, home } from '../support/command.js';

const user = process.getuid?.() ?? -1;
const notRoot = user === 0 ? false : 'only root can give files to other users, or run as one';

const { failed } = await execa('unshare', ['--mount', 'true'], { reject: false });
const noMounts = failed ? 'here no process can have file systems of its own' : false;

async function newHome(): Promise<string> {
  const path = fresh('home');
  await mkdir(path);
  return path;
}

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof UnusableStore && pattern.test(error.message) && /--store/.test(error.message);

describe('by what the list of users says', () => {
  test('a home of the user’s own, also behind a link: a directory in it, for the user alone', async () => {
    const own = await newHome();
    const link = fresh('link');
    await symlink(own, link);
    assert.equal(userDirectory(own), join(own, '.local/state/dlock'));
    assert.equal(userDirectory(link), join(link, '.local/state/dlock'));
    assert.equal((await stat(join(own, '.local/state/dlock'))).mode & 0o777, 0o700);
  });

  test('no home: /tmp', () => {
    for (const none of ['', '/nonexistent'])
      assert.equal(userDirectory(none), `/tmp/dlock-${user}`);
  });

  test('a home that is not there, no directory, or no whole path', async () => {
    const file = fresh('file');
    await writeFile(file, '');
    assert.throws(() => userDirectory(fresh('missing')), refused(/ENOENT/));
    assert.throws(() => userDirectory(file), refused(/ENOTDIR/));
    assert.throws(() => userDirectory('home/user'), refused(/no whole path/));
  });

  test('a home whose directory for the locks cannot be made or used', async () => {
    const occupied = await newHome();
    await writeFile(join(occupied, '.local'), '');
    assert.throws(() => userDirectory(occupied), refused(/ENOTDIR|EEXIST/));
    const readOnly = await newHome();
    await chmod(readOnly, 0o500);
    // Root may write there all the same.
    if (user !== 0) assert.throws(() => userDirectory(readOnly), refused(/EACCES/));
  });

  test('a home of another user', { skip: notRoot }, async () => {
    const foreign = await newHome();
    await chown(foreign, 12_345, 12_345);
    assert.throws(() => userDirectory(foreign), refused(/belongs to user 12345/));
  });
});

describe('as another user', { skip: notRoot }, () => {
  let readable: string;

  before(async () => {
    await chmod(home, 0o755);
    readable = join(home, 'cli.js');
    await copyFile(cli, readable);
  });

  /** Runs dlock as that user, without a store, and with an environment that must not matter. */
  function dlockAs(uid: number, ...args: string[]) {
    const command = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
    return execa('env', [...command, process.execPath, readable, ...args], {
      env: { DLOCK_STORE: '', HOME: '/tmp', TMPDIR: '/var/tmp' },
      reject: false,
      stripFinalNewline: false,
    });
  }

  test('one whom the list does not know has a directory in /tmp', async () => {
    const uid = 2_000_000_000 + process.pid;
    const directory = `/tmp/dlock-${uid}`;
    const outcome = await dlockAs(uid, '-v', 'job', '--', 'echo', 'ran');
    assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], outcome.stderr);
    assert.match(outcome.stderr, new RegExp(`of this machine alone, in ${directory}\n`));
    assert.equal((await stat(directory)).uid, uid);
    await rm(directory, { recursive: true });
  });

  test('one with a home that belongs to root, or is missing: 69, with a hint at --store', async () => {
    const { stdout } = await execa('getent', ['passwd']);
    const users = stdout.split('\n').map((line) => line.split(':'));
    const foreign = users.find(([, , uid, , , home]) => uid !== '0' && home === '/usr/sbin');
    assert.ok(foreign, 'daemon, on Debian');
    const outcome = await dlockAs(Number(foreign[2]), 'job', '--', 'echo', 'ran');
    assert.deepEqual([outcome.exitCode, outcome.stdout], [69, ''], outcome.stderr);
    assertLine(outcome, /lock "job": .*belongs to user 0.*--store/);
  });

  for (const wait of ['0', 'forever']) {
    const title = `a home that is hidden, as by ProtectHome=: 69 (--wait ${wait})`;
    test(title, { skip: noMounts }, async () => {
      const hide = 'mount -t tmpfs -o ro none "$(getent passwd 0 | cut -d: -f6)" && exec "$@"';
      const command = ['--mount', 'sh', '-c', hide, 'sh', process.execPath, readable];
      const outcome = await execa('unshare', [...command, '--wait', wait, 'job', '--', 'true'], {
        env: { DLOCK_STORE: '' },
        reject: false,
        stripFinalNewline: false,
      });
      assert.equal(outcome.exitCode, 69, outcome.stderr);
      assertLine(outcome, /lock "job": .*(EROFS|ENOENT).*--store/);
    });
  }
});
