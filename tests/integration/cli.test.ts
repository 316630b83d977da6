/** The command, as its users meet it: real processes, real signals, real stores, a terminal. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type ExecaError, execa, type Result } from 'execa';
import { userDirectory } from '../../src/cli/home.js';
import { listByPs, listProc } from '../../src/cli/processes.js';
import { eventually } from '../../src/testing/fixture.js';
import {
  alive,
  assertLine,
  cli,
  dlock,
  fileStore,
  fresh,
  home,
  lines,
  root,
  running,
} from '../support/command.js';
import { sharedMemcached, startRedis } from '../support/servers.js';

describe('exit codes', { concurrency: 3 }, () => {
  test('the command’s own, and nothing is said', async () => {
    for (const code of [0, 1, 3, 75, 255]) {
      const { exitCode, stderr, stdout } = await dlock(['job', '--', 'sh', '-c', `exit ${code}`]);
      assert.deepEqual([exitCode, stderr, stdout], [code, '', '']);
    }
  });

  test('75 if another holds the lock, or what -E says', async () => {
    const store = fileStore();
    const { started } = await running(['job'], 'exec sleep 60', { store });
    const held = await dlock(['job', '--', 'true'], { store });
    assert.equal(held.exitCode, 75);
    assertLine(held, /lock "job": another holds it/);
    assert.equal((await dlock(['-E', '9', 'job', '--', 'true'], { store })).exitCode, 9);
    const silent = await dlock(['-q', '--conflict-exit-code=0', 'job', '--', 'true'], { store });
    assert.deepEqual([silent.exitCode, silent.stderr], [0, '']);
    const waited = await dlock(['--wait', '300ms', 'job', '--', 'true'], { store });
    assert.equal(waited.exitCode, 75);
    assertLine(waited, /lock "job": another still holds it after 300 ms/);
    started.kill('SIGTERM');
    assert.equal((await started).signal, 'SIGTERM');
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
  });

  test('0, and one line, if the period is done; again if it had failed', async () => {
    const store = fileStore();
    const once = (code: number) =>
      dlock(['--once', 'today', 'job', '--', 'sh', '-c', `echo ran; exit ${code}`], { store });
    assert.deepEqual(await once(4).then(({ exitCode, stdout }) => [exitCode, stdout]), [
      4,
      'ran\n',
    ]);
    assert.deepEqual(await once(0).then(({ exitCode, stdout }) => [exitCode, stdout]), [
      0,
      'ran\n',
    ]);
    const done = await once(0);
    assert.deepEqual([done.exitCode, done.stdout], [0, '']);
    assertLine(done, /lock "job": another run has succeeded for the period "today"/);
    const silent = await dlock(['-q', '--once', 'today', 'job', '--', 'false'], { store });
    assert.deepEqual([silent.exitCode, silent.stderr], [0, '']);
  });

  test('69 if the store cannot be reached, soon', async () => {
    for (const store of ['redis://127.0.0.1:1', 'memcache://127.0.0.1:1', 'redis://localhost:1']) {
      for (const wait of ['0', '300ms']) {
        const outcome = await dlock(['-q', '--wait', wait, 'job', '--', 'echo'], { store });
        assert.equal(outcome.exitCode, 69, store);
        assert.equal(outcome.stdout, '');
        assertLine(outcome, /lock "job".*ECONNREFUSED/);
      }
    }
  });

  test('69 if the client’s package is missing, with the commands that bring it', async () => {
    const lonely = await mkdtemp(join(tmpdir(), 'dlock-lonely-'));
    await writeFile(join(lonely, 'package.json'), '{"type":"module"}');
    await writeFile(join(lonely, 'cli.js'), await readFile(cli));
    for (const [store, name] of [
      ['redis://127.0.0.1', 'redis'],
      ['memcache://127.0.0.1', 'memcache-client'],
      ['postgres://127.0.0.1', 'pg'],
      ['mysql://127.0.0.1/app', 'mysql2'],
    ]) {
      const args = [join(lonely, 'cli.js'), '--store', store ?? '', 'job', '--', 'true'];
      const outcome = await execa(process.execPath, args, {
        reject: false,
        stripFinalNewline: false,
      });
      assert.equal(outcome.exitCode, 69);
      const both = `npm install dlock-js ${name}, or npx -p dlock-js -p ${name} dlock \\.\\.\\.\\n`;
      assertLine(outcome, new RegExp(`lock "job": .*: ${both}`));
    }
    await rm(lonely, { recursive: true });
  });

  test('127 if the command is not found, 126 if it cannot be executed; the lock is free again', async () => {
    const store = fileStore();
    const plain = fresh('plain');
    await writeFile(plain, 'no program');
    const missing = await dlock(['job', '--', 'no-such-command'], { store });
    assert.equal(missing.exitCode, 127);
    assertLine(missing, /lock "job": no-such-command: command not found/);
    assert.equal((await dlock(['job', '--', '/no/such/command'], { store })).exitCode, 127);
    for (const command of [plain, home]) {
      const outcome = await dlock(['job', '--', command], { store });
      assert.equal(outcome.exitCode, 126);
      assertLine(outcome, /lock "job": .* cannot be executed \(EACCES\)/);
    }
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
  });

  test('64 for invalid arguments, before anything is done', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /name of the lock is missing/],
      [['--', 'true'], /name of the lock is missing/],
      [['--once', 'job', '--', 'true'], /name of the lock is missing; --once took "job"/],
      [['', '--', 'true'], /name of the lock is empty/],
      [['job'], /put -- between/],
      [['job', 'true'], /put -- between/],
      [['job', '--'], /command to run is missing/],
      [['job', 'more', '--', 'true'], /one name of a lock is expected/],
      [['--nonsense', 'job', '--', 'true'], /Unknown option '--nonsense'/],
      [['--ttl', '30', 'job', '--', 'true'], /--ttl is a duration such as .*, not "30"/],
      [['--ttl', '0', 'job', '--', 'true'], /--ttl is a duration/],
      [['--ttl', '-5s', 'job', '--', 'true'], /--ttl/],
      [['--ttl=-5s', 'job', '--', 'true'], /--ttl is a duration/],
      [['--wait', 'long', 'job', '--', 'true'], /--wait is a duration .*or forever, not "long"/],
      [['--grace', '5 parsecs', 'job', '--', 'true'], /--grace is a duration/],
      [['--once', '', 'job', '--', 'true'], /period of --once is empty/],
      [['--retain', '1h', 'job', '--', 'true'], /there is no --once/],
      [['-E', '256', 'job', '--', 'true'], /--conflict-exit-code is a number/],
      [['-E', 'x', 'job', '--', 'true'], /--conflict-exit-code is a number/],
      [['-q', '-v', 'job', '--', 'true'], /choose one/],
      [['--store', '', 'job', '--', 'true'], /--store is empty/],
      [['--store', 'nonsense', 'job', '--', 'true'], /URL/],
      [['--store', './locks', 'job', '--', 'true'], /not a URL; .* is file:\/\/\//],
      [['--store', 'http://host', 'job', '--', 'true'], /must begin with redis:/],
      [['--store', 'file:locks', 'job', '--', 'true'], /whole path/],
      [['--store', 'file://', 'job', '--', 'true'], /whole path/],
      [['--store', 'redis:6379', 'job', '--', 'true'], /URL of a Redis server/],
      [['--store', 'memcache://u:p@host', 'job', '--', 'true'], /URL of a Memcached server/],
      [
        ['--ttl', '60d', '--store', 'memcache://127.0.0.1:1', 'job', '--', 'true'],
        /ttl of lock "job" must be/,
      ],
    ];
    const outcomes = await inTurns(wrong, ([args]) => dlock(['-q', ...args]));
    for (const [index, [args, message]] of wrong.entries()) {
      const outcome = outcomes[index] as Result;
      assert.equal(outcome.exitCode, 64, args.join(' '));
      assertLine(outcome, message);
      assert.match(String(outcome.stderr), /see dlock --help/);
    }
  });
});

/** A few at a time: the machine may be small. */
async function inTurns<T, U>(values: T[], act: (value: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  for (let start = 0; start < values.length; start += 4) {
    results.push(...(await Promise.all(values.slice(start, start + 4).map(act))));
  }
  return results;
}

test('--help fits a terminal, names every option, variable and code, and needs no store', async () => {
  const { exitCode, stdout, stderr } = await dlock(['--help'], { store: 'nonsense' });
  assert.deepEqual([exitCode, stderr], [0, '']);
  for (const line of String(stdout).split('\n')) assert.ok(line.length <= 80, line);
  const source = await readFile(join(root, 'src/cli/arguments.ts'), 'utf8');
  const options = [...source.matchAll(/^ {2}'?([\w-]+)'?: \{ type:/gm)].map((match) => match[1]);
  assert.equal(options.length, 16);
  for (const option of options) assert.match(String(stdout), new RegExp(`--${option}\\b`));
  for (const word of ['DLOCK_STORE', 'DLOCK_NAME', 'DLOCK_FENCE', 'DLOCK_TTL', 'DLOCK_RUN']) {
    assert.match(String(stdout), new RegExp(`^  ${word}`, 'm'));
  }
  for (const code of [0, 64, 69, 70, 75, 76, 126, 127]) {
    assert.match(String(stdout), new RegExp(`^  ${code} `, 'm'));
  }
});

test('--version is that of the package', async () => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  assert.equal((await dlock(['--version'])).stdout, `${manifest.version}\n`);
});

describe('the command', { concurrency: 3 }, () => {
  test('gets its arguments as they are, stdin and the environment', async () => {
    const store = fileStore();
    const odd = ['$HOME', '; exit 9', '--', '-v', '', 'two words'];
    const script = 'printf "%s|" "$@"; cat';
    const started = dlock(['job', '--', 'sh', '-c', script, 'sh', ...odd], {
      store,
      env: { OTHER: 'kept', DLOCK_FENCE: 'of another' },
    });
    started.stdin?.end('typed');
    assert.equal((await started).stdout, `${odd.join('|')}|typed`);
    const env = { OTHER: 'kept', DLOCK_FENCE: 'of another' };
    const { stdout } = await dlock(['--ttl', '1m', 'job', '--', 'env'], { store, env });
    assert.match(String(stdout), /^OTHER=kept$/m);
    assert.match(String(stdout), /^DLOCK_NAME=job$/m);
    assert.match(String(stdout), /^DLOCK_TTL=60000$/m);
    assert.match(String(stdout), /^DLOCK_FENCE=\d+$/m);
    assert.doesNotMatch(String(stdout), /^[^=]*=[0-9a-f]{32}$/m, 'no token');
    const memcached = `memcache://${await sharedMemcached()}`;
    const fenceless = await dlock([fresh('job'), '--', 'env'], { store: memcached, env });
    assert.doesNotMatch(String(fenceless.stdout), /DLOCK_FENCE/);
  });

  test('a name that looks like an option stands behind a -- of its own', async () => {
    const { stdout, exitCode } = await dlock(['-v', '--', '-q', '--', 'printenv', 'DLOCK_NAME']);
    assert.deepEqual([exitCode, stdout], [0, '-q\n']);
  });

  test('what it leaves behind, holding on to stdout, does not keep dlock', async () => {
    const store = fileStore();
    const left = fresh('left');
    const started = dlock(['job', '--', 'sh', '-c', `sleep 60 & echo $! > ${left}; exit 5`], {
      store,
    });
    const code = await new Promise((resolve) => started.once('exit', resolve));
    assert.equal(code, 5);
    const [pid] = await lines(left);
    assert.ok(alive(Number(pid)), 'and lives on');
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
    process.kill(Number(pid), 'SIGKILL');
  });

  test('of two at the same time, one runs', async () => {
    const go = fresh('go');
    const script = `echo importing; while ! test -e ${go}; do sleep 0.05; done`;
    const store = fileStore();
    const both = [1, 2].map(() => dlock(['import', '--', 'sh', '-c', script], { store }));
    await Promise.race(both);
    await writeFile(go, '');
    const outcomes = await Promise.all(both);
    assert.deepEqual(outcomes.map(({ exitCode }) => exitCode).sort(), [0, 75]);
    assert.deepEqual(outcomes.map(({ stdout }) => stdout).sort(), ['', 'importing\n']);
  });

  test('without any store named, the user’s own directory holds the lock', async () => {
    const name = `dlock-cli-test-${process.pid}`;
    const env = { DLOCK_STORE: '', HOME: fresh('elsewhere'), TMPDIR: fresh('elsewhere') };
    const inner = [process.execPath, cli, name, '--', 'true'];
    const { exitCode } = await dlock([name, '--', 'sh', '-c', '"$@"', 'sh', ...inner], { env });
    assert.equal(exitCode, 75);
    assert.ok(existsSync(join(userDirectory(), name)));
    await rm(join(userDirectory(), name), { recursive: true });
  });

  test('--min-hold keeps the lock after its end', async () => {
    const store = fileStore();
    assert.equal((await dlock(['--min-hold', '1m', 'job', '--', 'true'], { store })).exitCode, 0);
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 75);
  });

  test('-n lets so many in at once, --shared any number, and one without neither', async () => {
    const store = fileStore();
    const go = fresh('go');
    const script = `while ! test -e ${go}; do sleep 0.05; done`;
    const holders = [
      await running(['-n', '2', 'job'], script, { store }),
      await running(['--limit', '2', 'job'], script, { store }),
    ];
    const outcomes: [string[], number][] = [
      [['-n', '2', 'job'], 75],
      [['job'], 75],
      [['-n', '3', 'job'], 0],
      [['--shared', 'job'], 0],
      [['-n', '0', 'job'], 64],
      [['-n', '2', '--shared', 'job'], 64],
      [['-n', '2', '--once', 'today', 'job'], 64],
    ];
    for (const [options, exitCode] of outcomes) {
      const outcome = await dlock([...options, '--', 'true'], { store });
      assert.equal(outcome.exitCode, exitCode, `${options}: ${outcome.stderr}`);
    }
    await writeFile(go, '');
    for (const { started } of holders) assert.equal((await started).exitCode, 0);
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
  });

  test('--also holds several locks, and takes none of them where one is held', async () => {
    const store = fileStore();
    const go = fresh('go');
    const script = `while ! test -e ${go}; do sleep 0.05; done`;
    const { started } = await running(['--also', 'b', 'c', '--also', 'a'], script, { store });
    for (const name of ['a', 'b', 'c']) {
      assert.equal((await dlock([name, '--', 'true'], { store })).exitCode, 75, name);
    }
    const refused = await dlock(['--also', 'a', '--also', 'd', 'e', '--', 'true'], { store });
    assert.equal(refused.exitCode, 75);
    assertLine(refused, /lock "e": another holds it, or one of those besides/);
    for (const name of ['d', 'e']) {
      assert.equal((await dlock([name, '--', 'true'], { store })).exitCode, 0, name);
    }
    const once = await dlock(['--also', 'a', '--once', 'today', 'b', '--', 'true'], { store });
    assert.equal(once.exitCode, 64);
    const waiting = dlock(['--wait', '30s', '--also', 'b', 'a', '--', 'true'], { store });
    await writeFile(go, '');
    assert.equal((await started).exitCode, 0);
    assert.equal((await waiting).exitCode, 0);
  });

  test('holds the lock beyond several ttls', async () => {
    const store = fileStore();
    const go = fresh('go');
    const script = `while ! test -e ${go}; do sleep 0.05; done`;
    const { started } = await running(['--ttl', '3s', 'job'], script, { store });
    const waiter = await dlock(['--wait', '7s', 'job', '--', 'true'], { store });
    assert.equal(waiter.exitCode, 75);
    await writeFile(go, '');
    assert.equal((await started).exitCode, 0);
  });
});

describe('messages', { concurrency: 3 }, () => {
  test('control characters in names are escaped', async () => {
    const name = 'a\u001b[31m\nb\u009b2J\u202e';
    const outcome = await dlock([name, '--', 'no-such-command']);
    assert.equal(outcome.exitCode, 127);
    assertLine(outcome, /lock/);
    assert.doesNotMatch(String(outcome.stderr).trimEnd(), /[\p{Cc}\p{Cf}]/u);
  });

  test('-v tells each step, and nothing is ever on stdout', async () => {
    const { stderr, stdout, exitCode } = await dlock(['-v', 'job', '--', 'sh', '-c', 'exit 3']);
    assert.deepEqual([exitCode, stdout], [3, '']);
    const said = String(stderr).split('\n').slice(0, -1);
    for (const line of said) assert.match(line, /^dlock: lock "job": /);
    const steps = [
      /the store is file:/,
      /granted for 30 s, with fence/,
      /runs as process/,
      /ended with 3/,
      /released/,
    ];
    assert.equal(said.length, steps.length);
    for (const [index, step] of steps.entries()) assert.match(said[index] ?? '', step);
  });

  test('a closed stderr, or a full device, changes no exit code', async () => {
    const shell = (redirection: string) =>
      execa(
        'sh',
        [
          '-c',
          `exec "$@" ${redirection}`,
          'sh',
          process.execPath,
          cli,
          '-v',
          'job',
          '--',
          'sh',
          '-c',
          'exit 3',
        ],
        {
          env: { DLOCK_STORE: fileStore() },
          reject: false,
        },
      );
    assert.equal((await shell('2>&-')).exitCode, 3);
    if (existsSync('/dev/full')) assert.equal((await shell('2>/dev/full')).exitCode, 3);
    const started = dlock(['-v', 'job', '--', 'sh', '-c', 'exit 3'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    started.stderr?.destroy();
    const code = await new Promise((resolve) => started.once('exit', resolve));
    await started.catch((error: ExecaError) => error);
    assert.equal(code, 3);
  });

  test('a reader of stderr that does not read costs no lease', async () => {
    const store = fileStore();
    const begun = `${fileURLToPath(store)}.begun`;
    const go = fresh('go');
    const flood = 'yes "a long line" | head -c 300000 >&2 & flood=$!';
    const wait = `while ! test -e ${go}; do sleep 0.05; done; kill $flood; exit 3`;
    const script = `touch ${begun}; ${flood}; ${wait}`;
    const started = dlock(['-v', '--ttl', '3s', 'job', '--', 'sh', '-c', script], {
      store,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    started.stderr?.pause();
    await eventually('the command runs', () => existsSync(begun));
    const held = await dlock(['--wait', '7s', 'job', '--', 'true'], { store });
    assert.equal(held.exitCode, 75);
    await writeFile(go, '');
    started.stderr?.resume();
    assert.equal((await started).exitCode, 3);
  });

  test('a password is on no command line and in no message', async () => {
    const password = 'pa%40ss w?rd#1'.replace(' ', '%20').replace('?', '%3F').replace('#', '%23');
    const plain = decodeURIComponent(password);
    await using server = await startRedis(['--requirepass', plain]);
    const right = server.url.replace('//', `//:${password}@`);
    // Those of dlock and of all that it has started.
    const list = `
      for id in $PPID $(cat /proc/$PPID/task/*/children); do tr "\\0" " " < /proc/$id/cmdline; done
      exit 3`;
    const good = await dlock(['-v', 'job', '--', 'sh', '-c', list], { store: right });
    assert.equal(good.exitCode, 3);
    const commandLines = String(good.stdout);
    assert.match(commandLines, /for id in/);
    const bad = [
      server.url.replace('//', '//:wrong%21secret@'),
      'redis://:wrong!secret@127.0.0.1:1',
      'redis://user:wrong!secret@nowhere.invalid',
      'redis://user:12#wrong!secret@127.0.0.1:1',
      'redis://user:12?wrong!secret@127.0.0.1:1',
      'redis://user:12/wrong!secret@127.0.0.1:1',
      'redis://user:wrong!secret@:::',
      'memcache://user:wrong!secret@127.0.0.1',
      'nonsense://user:wrong!secret@127.0.0.1',
      'redis://:wrong!secret@a,redis://:wrong!secret@b',
    ];
    const outcomes = await inTurns(bad, (store) => dlock(['-v', 'job', '--', 'true'], { store }));
    for (const { exitCode, stderr } of outcomes) {
      assert.ok(exitCode === 64 || exitCode === 69, String(stderr));
    }
    const said = [commandLines, good.stderr, ...outcomes.map(({ stderr }) => stderr)].join('\n');
    for (const secret of [password, plain, 'wrong!secret', 'wrong%21secret', 'secret@']) {
      assert.ok(!said.includes(secret), said);
    }
  });
});

test('where there is no /proc, ps tells of the processes', async () => {
  const children = listByPs().filter(({ parent }) => parent === process.ppid);
  assert.ok(children.some(({ pid, started }) => pid === process.pid && started));
  if (process.platform !== 'linux') return;
  assert.ok(listProc().some(({ pid, parent }) => pid === process.pid && parent === process.ppid));
});

test('a directory that is not ours to use is said, and not used', async () => {
  const path = fresh('trap');
  await mkdir(`${path}-real`);
  await symlink(`${path}-real`, path);
  const outcome = await dlock(['job', '--', 'true'], { store: pathToFileURL(path).href });
  assert.equal(outcome.exitCode, 69);
  assertLine(outcome, /lock "job".*must be a directory, not a link/);
});
