/** The command, as its users meet it: real processes, real signals, real stores, a terminal. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type ExecaError, execa, type Result } from 'execa';
import { createClient } from 'redis';
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
import { provide } from '../support/servers/install.js';
import { sharedMemcached, sharedRedis, startRedis } from '../support/servers.js';

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

  test('64 for arguments that cannot be meant, before anything is done', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /name of the lock is missing/],
      [['--', 'true'], /name of the lock is missing/],
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
  assert.equal(options.length, 13);
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

  test('holds the lock beyond several ttls', async () => {
    const store = fileStore();
    const { started } = await running(['--ttl', '3s', 'job'], 'sleep 10', { store });
    const waiter = await dlock(['--wait', '7s', 'job', '--', 'true'], { store });
    assert.equal(waiter.exitCode, 75);
    assert.equal((await started).exitCode, 0);
  });
});

describe('signals', { concurrency: 3 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'] as const) {
    test(`${signal} to dlock alone reaches the command, and only then the lock is free`, async () => {
      const store = fileStore();
      const { started, command } = await running(['job'], 'exec sleep 60', { store });
      started.kill(signal);
      assert.equal((await started).signal, signal);
      assert.ok(!alive(command));
      assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
    });

    test(`${signal} to a dlock that waits ends it at once, and leaves nothing behind`, async () => {
      const store = fileStore();
      const { started } = await running(['job'], 'exec sleep 60', { store });
      const waiter = dlock(['-v', '--wait', 'forever', 'job', '--', 'echo'], { store });
      await new Promise((resolve) => waiter.stderr?.once('data', resolve));
      waiter.kill(signal);
      const outcome = await waiter;
      assert.deepEqual([outcome.signal, outcome.stdout], [signal, '']);
      started.kill('SIGTERM');
      await started;
      assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
    });
  }

  test('a command that goes on after a signal keeps the lock', async () => {
    const store = fileStore();
    const go = fresh('go');
    const script = `trap "echo caught" TERM; while ! test -e ${go}; do sleep 0.05; done; exit 7`;
    const { started } = await running(['job'], script, { store });
    started.kill('SIGTERM');
    await new Promise((resolve) => started.stdout?.once('data', resolve));
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 75);
    await writeFile(go, '');
    assert.equal((await started).exitCode, 7);
  });

  /** Counts the signals it gets, for long enough to get one too many, and exits with their number. */
  const counting = `
    let count = 0;
    const count1 = (signal) => {
      count += 1;
      process.stdout.write(signal + '\\n');
      if (count === 1) setTimeout(() => process.exit(count), 700);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGALRM']) process.on(signal, count1);
    setInterval(() => {}, 1000);
    process.stdout.write('dlock is ' + process.ppid + '\\n');
  `;

  test('sent to the whole group, a signal reaches the command once', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGALRM'] as const) {
      const started = execa(
        process.execPath,
        [cli, 'job', '--', process.execPath, '-e', counting],
        {
          env: { DLOCK_STORE: fileStore() },
          detached: true,
          reject: false,
        },
      );
      await new Promise((resolve) => started.stdout.once('data', resolve));
      process.kill(-(started.pid ?? 0), signal);
      assert.equal((await started).exitCode, 1, signal);
    }
  });

  /** Under `script`, of util-linux, dlock has a terminal of its own; what we write there is typed. */
  function atTerminal(args: string[], store = fileStore()) {
    const quoted = [process.execPath, cli, ...args].map(
      (arg) => `'${arg.replaceAll("'", `'\\''`)}'`,
    );
    return execa('script', ['-qec', `exec ${quoted.join(' ')}`, '/dev/null'], {
      env: { DLOCK_STORE: store, SHELL: '/bin/sh' },
      reject: false,
    });
  }

  before(async () => {
    await provide({ program: 'script', debianPackage: 'bsdutils' });
    const { stdout } = await execa('script', ['--version'], { reject: false });
    assert.match(String(stdout), /util-linux/, 'these tests need the script(1) of util-linux');
  });

  test('Ctrl-C at the terminal reaches the command exactly once, as does Ctrl-\\', async () => {
    for (const key of ['\u0003', '\u001c']) {
      const started = atTerminal(['job', '--', process.execPath, '-e', counting]);
      await new Promise((resolve) => started.stdout.once('data', resolve));
      started.stdin.write(key);
      assert.equal((await started).exitCode, 1);
    }
  });

  test('at the terminal too, a signal to dlock alone reaches the command once', async () => {
    const started = atTerminal(['job', '--', process.execPath, '-e', counting]);
    const said = await new Promise((resolve) => started.stdout.once('data', resolve));
    const [, pid] = /dlock is (\d+)/.exec(String(said)) ?? [];
    process.kill(Number(pid), 'SIGINT');
    assert.equal((await started).exitCode, 1);
  });

  test('at a terminal, the wait is told on one line, rewritten in place', async () => {
    const store = fileStore();
    const { started } = await running(['job'], 'exec sleep 60', { store });
    const waiter = atTerminal(['--wait', 'forever', 'job', '--', 'echo', 'mine'], store);
    let said = '';
    waiter.stdout.on('data', (data) => {
      said += data;
    });
    await eventually('two seconds are told', () => /: [2-9] s/.test(said));
    started.kill('SIGTERM');
    await waiter;
    const line = '\r\u001b[K';
    assert.ok(said.startsWith(line), JSON.stringify(said));
    const told = said.split(line).slice(1);
    assert.equal(told.pop(), 'mine\r\n', 'and nothing of it is left');
    let last = -1;
    for (const text of told) {
      const [, seconds] = /^dlock: waiting for the holder of lock "job": (\d+) s$/.exec(text) ?? [];
      assert.ok(Number(seconds) > last, text);
      last = Number(seconds);
    }
  });

  test('without a terminal, the wait is silent', async () => {
    const store = fileStore();
    const { started } = await running(['job'], 'sleep 1', { store });
    const waiter = await dlock(['--wait', 'forever', 'job', '--', 'true'], { store });
    assert.deepEqual([waiter.exitCode, waiter.stderr], [0, '']);
    await started;
  });
});

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
    const options = ['--ttl', '3s', '--grace', '1h', 'job'];
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
    assert.ok(last < frozen + 3_000, `it ran ${last - frozen} ms after the last renewal`);
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
    const flood = 'yes "a long line" | head -c 300000 >&2 & sleep 10; kill $!; exit 3';
    const script = `touch ${begun}; ${flood}`;
    const started = dlock(['-v', '--ttl', '3s', 'job', '--', 'sh', '-c', script], {
      store,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    started.stderr?.pause();
    await eventually('the command runs', () => existsSync(begun));
    const held = await dlock(['--wait', '7s', 'job', '--', 'true'], { store });
    assert.equal(held.exitCode, 75);
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

describe('once per period', { concurrency: 2 }, () => {
  const stores: Record<string, () => Promise<string>> = {
    file: async () => fileStore(),
    redis: sharedRedis,
    memcached: async () => `memcache://${await sharedMemcached()}`,
  };
  const crowd = (args: string[], script: string, store: string) =>
    Promise.all(
      Array.from({ length: 6 }, () =>
        dlock([...args, '--', 'sh', '-c', script], { store }).then(({ exitCode }) => exitCode),
      ),
    );

  for (const [kind, open] of Object.entries(stores)) {
    test(`${kind}: of 6 processes started together, one runs in each period`, async () => {
      const store = await open();
      const job = `${kind}-${process.pid}`;
      for (let hour = 10; hour < 12; hour++) {
        const runs = fresh('runs');
        const once = ['--once', `2026-11-24T${hour}`, job];
        const codes = await crowd(once, `echo >> ${runs}`, store);
        assert.equal((await lines(runs)).length, 1);
        assert.ok(
          codes.every((code) => code === 0 || code === 75),
          String(codes),
        );
        assert.ok(codes.includes(0));
      }
    });

    test(`${kind}: also when the first runner is killed half-way`, async () => {
      const store = await open();
      const runs = fresh('runs');
      const first = fresh('first');
      const script = `if mkdir ${first} 2>/dev/null; then kill -9 $PPID; exit 1; fi; echo >> ${runs}`;
      const options = ['--ttl', '8s', '--wait', '5m', '--retain', '5m'];
      const once = [...options, '--once', '2026-11-24T09', `${kind}-killed-${process.pid}`];
      const codes = await crowd(once, script, store);
      assert.equal((await lines(runs)).length, 1, String(codes));
      assert.equal(codes.filter((code) => code === 0).length, 5, String(codes));
      assert.equal(codes.filter((code) => code === undefined).length, 1);
    });
  }
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
