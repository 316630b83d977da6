/** How dlock ends by a signal, and which signals it hands on to the command. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import { type ExecaError, execa } from 'execa';
import { eventually } from '../../src/testing/fixture.js';
import { alive, cli, dlock, fileStore, fresh, lines, running } from '../support/command.js';

const fatal: NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGABRT',
  'SIGKILL',
  'SIGSEGV',
  'SIGPIPE',
  'SIGALRM',
  'SIGTERM',
  'SIGXCPU',
  'SIGXFSZ',
];

describe('dlock ends by a signal', { concurrency: 3 }, () => {
  for (const signal of fatal) {
    test(`${signal} ended the command: dlock ends by it too, without a core dump`, async () => {
      const directory = fresh('cwd');
      await mkdir(directory);
      const end = `ulimit -c 0; kill -${constants.signals[signal]} $$`;
      const script = `ulimit -c unlimited; exec "$@" job -- sh -c '${end}'`;
      const outcome = await execa('sh', ['-c', script, 'sh', process.execPath, cli], {
        cwd: directory,
        env: { DLOCK_STORE: fileStore() },
        reject: false,
      });
      assert.deepEqual([outcome.signal, outcome.stderr], [signal, '']);
      assert.deepEqual(await readdir(directory), []);
    });
  }

  test('a command that ends with 130 after Ctrl-C was not ended by it: 130', async () => {
    const script = 'trap "exit 130" INT; while :; do sleep 0.05; done';
    const { started } = await running(['job'], script);
    started.kill('SIGINT');
    const { exitCode, signal } = await started;
    assert.deepEqual([exitCode, signal], [130, undefined]);
  });

  test('while the store is being opened', async (t) => {
    const mute = createServer().listen(0, '127.0.0.1');
    t.after(() => mute.close());
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGALRM'] as const) {
      const greeted = once(mute, 'connection');
      const started = dlock(['job', '--', 'true'], { store: `redis://127.0.0.1:${port}` });
      await greeted;
      started.kill(signal);
      const outcome = await started;
      assert.deepEqual([outcome.signal, outcome.stderr], [signal, '']);
    }
  });

  test('while it waits: after what it said has been written, whoever reads it', async () => {
    const store = fileStore();
    const { started } = await running(['job'], 'exec sleep 60', { store });
    for (const signal of ['SIGINT', 'SIGALRM', 'SIGABRT'] as const) {
      const waiter = dlock(['-v', '--wait', 'forever', 'job', '--', 'true'], { store });
      await new Promise<void>((resolve) => {
        waiter.stderr?.on('data', (text) => {
          if (/another holds it; waiting/.test(text)) resolve();
        });
      });
      waiter.kill(signal);
      const outcome = await waiter;
      assert.equal(outcome.signal, signal);
      assert.match(String(outcome.stderr), new RegExp(`: interrupted by ${signal}\n$`));
    }
    started.kill('SIGTERM');
    await started;
  });

  test('Ctrl-C ends a loop of the shell', async () => {
    const rounds = fresh('rounds');
    const loop = `for i in 1 2 3; do "$@" job -- sh -c 'echo >> ${rounds}; exec sleep 3'; done`;
    const shell = execa('bash', ['-c', loop, 'bash', process.execPath, cli], {
      env: { DLOCK_STORE: fileStore() },
      // A process group, as at a terminal.
      detached: true,
      reject: false,
    });
    await eventually('the first round', async () => (await lines(rounds)).length > 0);
    process.kill(-(shell.pid ?? 0), 'SIGINT');
    assert.equal((await shell).signal, 'SIGINT');
    assert.equal((await lines(rounds)).length, 1);
  });

  test('a closed stderr, or a full device, changes nothing', async () => {
    for (const redirection of ['2>&-', '2>/dev/full']) {
      const script = `exec "$@" -v job -- sh -c 'kill -TERM $$' ${redirection}`;
      const outcome = await execa('sh', ['-c', script, 'sh', process.execPath, cli], {
        env: { DLOCK_STORE: fileStore() },
        reject: false,
      });
      assert.equal(outcome.signal, 'SIGTERM');
    }
  });

  test('where it cannot, as the first process of a container: 128 + n', async (t) => {
    const unshared = ['--pid', '--fork', '--kill-child'];
    const { failed } = await execa('unshare', [...unshared, 'true'], { reject: false });
    if (failed) return t.skip('namespaces of processes are not for this user');
    for (const [signal, code] of [
      ['TERM', 143],
      ['KILL', 137],
      ['QUIT', 131],
    ] as const) {
      const command = ['job', '--', 'sh', '-c', `kill -${signal} $$`];
      const outcome = await execa('unshare', [...unshared, process.execPath, cli, ...command], {
        env: { DLOCK_STORE: fileStore() },
        reject: false,
      });
      assert.equal(outcome.exitCode, code);
    }
  });
});

describe('signals to dlock alone', { concurrency: 3 }, () => {
  const handedOn: NodeJS.Signals[] = [
    'SIGALRM',
    'SIGVTALRM',
    'SIGPROF',
    'SIGABRT',
    'SIGUSR2',
    'SIGXCPU',
    'SIGIO',
    'SIGPWR',
    'SIGSTKFLT',
  ];
  for (const signal of handedOn.filter((name) => name in constants.signals)) {
    test(`${signal} is handed on to the command, whose lock is kept until it ends`, async () => {
      const store = fileStore();
      const go = fresh('go');
      const caught = fresh('caught');
      const script = `
        process.on('${signal}', () => fs.writeFileSync('${caught}', 'x\\n'));
        setInterval(() => fs.existsSync('${go}') && process.exit(7), 20);
        fs.writeFileSync('${caught}.ready', '\\n');`;
      const started = dlock(['job', '--', process.execPath, '-e', script], { store });
      await eventually('it runs', async () => (await lines(`${caught}.ready`)).length > 0);
      started.kill(signal);
      await eventually('the signal is caught', async () => (await lines(caught)).length > 0);
      assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 75);
      await writeFile(go, '');
      assert.equal((await started).exitCode, 7);
    });
  }

  test('a command that they end is not left behind', async () => {
    const { started, command } = await running(['job'], 'exec sleep 60');
    started.kill('SIGALRM');
    assert.equal((await started).signal, 'SIGALRM');
    assert.ok(!alive(command));
  });

  test('a profile of dlock itself sends the command no signal', async () => {
    const options = ['--cpu-prof', '--cpu-prof-dir', fresh('profiles')];
    const started = execa(process.execPath, [...options, cli, '-v', 'job', '--', 'sleep', '0.5'], {
      env: { DLOCK_STORE: fileStore() },
      reject: false,
    });
    const outcome = await started.catch((error: ExecaError) => error);
    assert.equal(outcome.exitCode, 0, String(outcome.stderr));
    assert.doesNotMatch(String(outcome.stderr), /SIGPROF/);
  });
});
