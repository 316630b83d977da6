/** Which signals reach the command, from a terminal too, and what a terminal shows of a wait. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { execa } from 'execa';
import { eventually } from '../../src/testing/fixture.js';
import { alive, cli, dlock, fileStore, fresh, running } from '../support/command.js';
import { provide } from '../support/servers/install.js';

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
