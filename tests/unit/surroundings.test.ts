/** What a process is like in which the library lives: its timers, its event loop, how it was started. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import FakeTimers from '@sinonjs/fake-timers';
import { build } from 'esbuild';
import { execa } from 'execa';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { eventually } from '../../src/testing/fixture.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const thief = 'f'.repeat(32);
let home: string;

/** The library and its stores, in one file that a program can load. */
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'dlock-surroundings-'));
  const modules = ['index', 'stores/memory', 'stores/file/file'];
  await bundle(modules.map((path) => `export * from './src/${path}.ts';`).join('\n'), 'dlock.cjs');
});
after(() => rm(home, { recursive: true, force: true }));

async function bundle(contents: string, name: string): Promise<string> {
  const outfile = join(home, name);
  const stdin = { contents, resolveDir: root };
  await build({ stdin, outfile, bundle: true, platform: 'node', format: 'cjs' });
  return outfile;
}

let programs = 0;

/** Runs a program in a process of its own, with the library as `dlock`. */
async function program(source: string, ...flags: string[]) {
  const file = join(home, `${++programs}.cjs`);
  await writeFile(file, `const dlock = require('./dlock.cjs');\n${source}`);
  return execa(process.execPath, [...flags, file], { reject: false, timeout: 60_000 });
}

describe('a wait keeps its process alive, with nothing else in it', { concurrency: true }, () => {
  const lease = 'await dlock.tryAcquire(store, "a"';
  const holders: Record<string, string> = {
    'behind a lease of its own': `const lease = ${lease});`,
    'behind a lease of its own that lapses': `const lease = ${lease}, { renew: false, ttl: 60_000 });`,
    'behind another holder': `await store.acquire('a', '${thief}', 60_000);`,
  };
  const stores: Record<string, string> = {
    memory: 'new dlock.MemoryStore()',
    file: 'new dlock.FileStore(__dirname + "/" + process.pid)',
  };
  for (const [where, hold] of Object.entries(holders)) {
    for (const [kind, store] of Object.entries(stores)) {
      test(`${where}, ${kind}`, async () => {
        const { stdout, stderr, exitCode } = await program(`
          async function main() {
            const store = ${store};
            ${hold}
            console.log(await dlock.locked(store, 'a', () => {}, { wait: 500 }));
            await dlock.acquire(store, 'a', { wait: 100 }).catch(({ code }) => console.log(code));
          }
          main();
        `);
        assert.equal(stderr, '');
        assert.equal(stdout, "{ ran: false, reason: 'held' }\nERR_DLOCK_TIMEOUT");
        assert.equal(exitCode, 0);
      });
    }
  }

  test('indefinitely, and no longer than it lasts', async () => {
    const { stdout } = await program(`
      async function main() {
        const store = new dlock.MemoryStore();
        await dlock.tryAcquire(store, 'a', { ttl: 1_500, renew: false });
        await dlock.acquire(store, 'a');
        console.log('granted');
      }
      main();
    `);
    assert.equal(stdout, 'granted');
  });
});

test('who wants to lead keeps the process alive, in an outage too, and prints nothing', async () => {
  const { stdout, stderr, exitCode } = await program(`
    const store = new dlock.MemoryStore({ ttl: 600 });
    let failures = 6;
    const flaky = {
      ttl: store.ttl,
      async acquire(...request) {
        if (failures-- > 0) throw new Error('the line is cut');
        return store.acquire(...request);
      },
      extend: (...request) => store.extend(...request),
      release: (...request) => store.release(...request),
    };
    async function main() {
      await store.acquire('a', '${thief}', 1_500);
      console.log(await dlock.lead(flaky, 'a', () => 'led'));
    }
    main();
  `);
  assert.deepEqual([stdout, stderr, exitCode], ['led', '', 0]);
});

describe('after a test that faked the timers and restored them', () => {
  const fakes: Record<string, () => () => void> = {
    'node:test': () => {
      mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
      return () => mock.timers.reset();
    },
    '@sinonjs/fake-timers (Sinon, Jest, Vitest)': () => {
      const clock = FakeTimers.install();
      return () => clock.uninstall();
    },
  };
  for (const [library, fake] of Object.entries(fakes)) {
    test(`${library}: renewal, deadline and waits go on`, async () => {
      const store = new MemoryStore();
      const early = await tryAcquire(store, 'taken before', { ttl: 300 });
      const restore = fake();
      const during = await tryAcquire(store, 'taken meanwhile', { ttl: 300 });
      const released = await tryAcquire(store, 'import', { ttl: 300 });
      await released?.release();
      restore();

      const lease = await tryAcquire(store, 'import', { ttl: 300 });
      const lapsing = await tryAcquire(store, 'not renewed', { ttl: 300, renew: false });
      const waiting = acquire(store, 'import', { wait: 1_000 });
      await assert.rejects(waiting, { code: 'ERR_DLOCK_TIMEOUT' });
      for (const each of [early, during, lease]) assert.equal(each?.held, true);
      await eventually('its loss is published', () => lapsing?.signal.aborted === true);
      for (const each of [early, during, lease]) assert.equal(await each?.release(), true);
    });
  }
});

test('timers that are numbers, as those of a browser: a lease like any other', async () => {
  const { stdout, stderr } = await program(
    `
    async function main() {
      const store = new dlock.MemoryStore();
      const lease = await dlock.tryAcquire(store, 'a', { ttl: 1_000 });
      console.log(await dlock.locked(store, 'a', () => {}, { wait: 1_500 }), lease.held);
      console.log(await lease.release(), await dlock.locked(store, 'a', () => 1));
      process.exit();
    }
    main();
  `,
    '--import',
    `data:text/javascript,${encodeURIComponent(`
      import timers from 'node:timers';
      const started = new Map();
      const { setTimeout, clearTimeout } = timers;
      timers.setTimeout = (...call) => {
        const timer = setTimeout(...call);
        started.set(Number(timer), timer);
        return Number(timer);
      };
      timers.clearTimeout = (id) => clearTimeout(started.get(id));
    `)}`,
  );
  assert.equal(stderr, '');
  assert.equal(stdout, "{ ran: false, reason: 'held' } true\ntrue { ran: true, value: 1 }");
});

test('what is overdue sets no negative timer, of which Node.js 24 warns', async () => {
  const entry = await bundle(
    `
    import { Alarm } from './src/base/alarm.ts';
    import { now } from './src/base/clock.ts';
    new Alarm(() => console.log('rang'), 'awaited').set({ ...now(), monotonic: 0 });
  `,
    'overdue.cjs',
  );
  const told = `data:text/javascript,${encodeURIComponent(`
    import timers from 'node:timers';
    const { setTimeout } = timers;
    timers.setTimeout = (callback, ms) => {
      console.log(ms < 0 ? 'negative' : 'set');
      return setTimeout(callback, ms);
    };
  `)}`;
  const { stdout } = await execa(process.execPath, ['--import', told, entry]);
  assert.equal(stdout, 'set\nrang');
});

test('a startup snapshot, started twice: no token is given twice', async () => {
  const blob = join(home, 'snapshot.blob');
  const program = `
    import { tryAcquire } from './src/index.ts';
    import { MemoryStore } from './src/stores/memory.ts';
    import v8 from 'node:v8';
    const take = () => tryAcquire(new MemoryStore(), 'import', { renew: false });
    take().then((lease) => lease.release());
    v8.startupSnapshot.setDeserializeMainFunction(async () => {
      const leases = [await take(), await take()];
      console.log(leases.map(({ token }) => token).join(' '));
      for (const lease of leases) await lease.release();
    });
  `;
  const entry = await bundle(program, 'snapshot.cjs');
  await execa(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', entry]);
  const start = () => execa(process.execPath, ['--snapshot-blob', blob]);
  const tokens = [await start(), await start()].flatMap(({ stdout }) => stdout.split(' '));
  for (const token of tokens) assert.match(token, /^[0-9a-f]{32}$/);
  assert.equal(new Set(tokens).size, 4);
});

test('a lease that is renewed keeps no process alive, and no timer does', async () => {
  const { stdout, stderr, exitCode } = await program(`
    dlock.tryAcquire(new dlock.MemoryStore(), 'a').then((lease) => {
      console.log(lease.held, process.getActiveResourcesInfo().includes('Timeout'));
    });
  `);
  assert.deepEqual([stdout, stderr, exitCode], ['true false', '', 0]);
});

test('a request without an answer, and a wait, keep the process alive until they are told', async () => {
  const { stdout } = await program(`
    async function main() {
      const store = new dlock.MemoryStore();
      await store.acquire('import', 'somebody', 60_000);
      const silent = { acquire: () => new Promise(() => {}), extend() {}, release() {}, timeout: 300 };
      const tell = ({ code }) => console.log(code);
      dlock.acquire(store, 'import', { wait: 300 }).catch(tell);
      dlock.acquire(silent, 'import').catch(tell);
    }
    main();
  `);
  assert.deepEqual(stdout.split('\n').sort(), ['ERR_DLOCK_STORE', 'ERR_DLOCK_TIMEOUT']);
});
