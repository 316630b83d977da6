/** The servers of the tests: that they can be had, can be tortured, and never stay behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import * as kinds from '../support/servers/kinds.js';
import { ask } from '../support/servers/ports.js';
import { sharedMemcached, sharedRedis, startMemcached, startRedis } from '../support/servers.js';
import { built } from '../support/workers.js';

const redis = {
  kind: kinds.redis,
  name: 'Redis',
  variable: 'DLOCK_TEST_REDIS_URL',
  shared: sharedRedis,
  start: startRedis,
  arguments: ['--maxmemory', '12345678'],
  settings: { question: 'CONFIG GET maxmemory', answer: /12345678/ },
  write: { question: 'SET key value', answer: /OK/ },
  read: { question: 'EXISTS key', found: /:1/, missing: /:0/ },
};

const memcached = {
  kind: kinds.memcached,
  name: 'Memcached',
  variable: 'DLOCK_TEST_MEMCACHED',
  shared: sharedMemcached,
  start: startMemcached,
  arguments: ['-M', '-m', '7'],
  settings: { question: 'stats settings', answer: /maxbytes 7340032/ },
  write: { question: 'set key 0 0 5\r\nvalue', answer: /STORED/ },
  read: { question: 'get key', found: /VALUE/, missing: /^END/ },
};

for (const kind of [redis, memcached]) {
  const { name, start, settings, write, read } = kind;

  describe(`${name} of a test's own`, () => {
    it('answers, and was given the arguments', async () => {
      await using server = await start(kind.arguments);
      assert.match(await answer(server.port, write.question), write.answer);
      assert.match(await answer(server.port, settings.question), settings.answer);
    });

    it('listens at one loopback address only', async () => {
      await using server = await start();
      assert.equal(await accepts(server.port), true);
      assert.equal(await accepts(server.port, '127.0.0.2'), false);
    });

    it('answers nothing while frozen, and all of it once thawed', async () => {
      await using server = await start();
      await server.freeze();
      assert.equal(await ask(server.port, read.question, 300), undefined);
      const late = answer(server.port, read.question);
      await server.thaw();
      assert.match(await late, read.missing);
    });

    for (const state of ['running', 'frozen']) {
      it(`is killed ${state}, and restarts as it was, but empty`, async () => {
        await using server = await start(kind.arguments);
        assert.match(await answer(server.port, write.question), write.answer);
        assert.match(await answer(server.port, read.question), read.found);
        if (state === 'frozen') await server.freeze();
        await server.kill();
        assert.equal(await accepts(server.port), false);
        await server.restart();
        assert.match(await answer(server.port, read.question), read.missing);
        assert.match(await answer(server.port, settings.question), settings.answer);
      });
    }

    it('stops for good, however often it is told', async () => {
      const server = await start();
      await server.stop();
      await server.stop();
      assert.equal(await accepts(server.port), false);
    });

    it('tells why it does not come up', async () => {
      await assert.rejects(start(['--no-such-option', '1']), /does not come up: .*no-such-option/s);
    });

    it('does not keep the process of the tests alive, and ends with it', async () => {
      const child = run(`console.log((await servers.${start.name}()).port)`);
      const { stdout, exitCode } = await child;
      assert.equal(exitCode, 0);
      await isGone(Number(stdout));
    });

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
      const skip = signal === 'SIGKILL' && process.platform !== 'linux' && 'only Linux can do that';

      it(`ends, even frozen, with a process of tests that ${signal} ends`, { skip }, async () => {
        const child = run(`
          const server = await servers.${start.name}();
          await server.freeze();
          console.log(server.port);
          setInterval(() => {}, 1_000);`);
        const [port] = await once(child.stdout, 'data');
        child.kill(signal);
        assert.equal((await child).signal, signal);
        await isGone(Number(port));
      });
    }
  });

  describe(`${name} that the tests share`, () => {
    it('is one for all', async () => {
      const address = await kind.shared();
      assert.equal(await kind.shared(), address);
      const port = Number(address.split(':').at(-1));
      assert.match(await answer(port, write.question), write.answer);
    });

    it('is in compose.yaml, which says how to name it', async () => {
      const compose = await readFile(new URL('../../compose.yaml', import.meta.url), 'utf8');
      const { example, containerPort } = kind.kind;
      assert.ok(compose.includes(`export ${kind.variable}=${example}\n`));
      assert.ok(compose.includes(`127.0.0.1:${containerPort}:${containerPort}`));
    });

    it('is the one that the environment names', async () => {
      const environment = { DLOCK_TEST_SERVERS: '', [kind.variable]: 'there' };
      const { stdout } = await run(`console.log(await servers.${kind.shared.name}())`, environment);
      assert.equal(stdout, 'there');
    });
  });

  describe(`${name} where there is none to be had`, () => {
    const nowhere = { PATH: '', DOCKER_HOST: 'unix:///nowhere/docker.sock' };

    it('is an error that names the three ways to get one', async () => {
      const { stderr, exitCode } = await run(`await servers.${start.name}()`, {
        ...nowhere,
        DLOCK_TEST_SERVERS: '',
      });
      assert.equal(exitCode, 1);
      assert.match(stderr, new RegExp(`There is no ${name} for the tests`));
      assert.match(stderr, new RegExp(`set ${kind.variable} to`));
      assert.match(stderr, /let Docker run/);
      assert.match(stderr, /apt-get install -y (redis-server|memcached)/);
      assert.match(stderr, /tried: no Docker engine listens at unix:\/\/\/nowhere\/docker.sock; /);
    });

    it('is an error that says so where it must come from Docker', async () => {
      const { stderr, exitCode } = await run(`await servers.${start.name}()`, {
        ...nowhere,
        DLOCK_TEST_SERVERS: 'docker',
      });
      assert.equal(exitCode, 1);
      assert.match(stderr, /DLOCK_TEST_SERVERS=docker, but no Docker engine listens/);
    });
  });
}

/** The beginning of what the server answers, even if that takes a while. */
async function answer(port: number, question: string): Promise<string> {
  const text = await ask(port, question, 10_000);
  return text ?? assert.fail(`no answer to ${question}`);
}

async function accepts(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(1_000) });
    return true;
  } catch {
    return false; // refused
  } finally {
    socket.destroy();
  }
}

/** A container takes its time to be removed. */
async function isGone(port: number): Promise<void> {
  const end = performance.now() + 20_000;
  while (await accepts(port)) {
    assert.ok(performance.now() < end, 'the server is still there');
    await sleep(50);
  }
}

/** Runs code in a process of its own, in which `servers` is what servers.ts exports. */
function run(code: string, env: Record<string, string> = {}) {
  const program = `const servers = await import('${built('servers')}'); ${code}`;
  return execa(process.execPath, ['--input-type=module', '--eval', program], {
    env,
    reject: false,
    stdin: 'ignore',
  });
}
