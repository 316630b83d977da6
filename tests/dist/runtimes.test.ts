/** The installed package with every client, on everything that it runs on, against real servers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readPrograms, relocated } from '../support/documents.js';
import { sharedMemcached, sharedRedis } from '../support/servers.js';
import { Consumer, readManifest, repository, runtimes } from './consumer.js';

const { devDependencies } = await readManifest(repository);
const clients = ['ioredis', 'memcache-client', 'redis'];
const consumer = await Consumer.create(
  Object.fromEntries(clients.map((name) => [name, devDependencies[name] ?? '*'])),
);
after(() => consumer[Symbol.asyncDispose]());
const redis = await sharedRedis();
const memcached = await sharedMemcached();
const programs = await readPrograms('js', 'cjs');

describe('every store', { concurrency: 3 }, () => {
  for (const [name, find] of Object.entries(runtimes)) {
    test(`works on ${name}`, async () => {
      const args = [redis, memcached, join(consumer.folder, 'locks')];
      const options = { runtime: await find(), args, timeout: 120_000 };
      const printed = await consumer.runConsumer('stores.mjs', options);
      assert.equal(printed, 'redis ioredis memcache file memory');
    });
  }
});

const native = ['Node.js 24', 'Node.js 26', 'Bun', 'Deno'];
for (const [name, find] of Object.entries(runtimes).filter(([name]) => native.includes(name))) {
  test(`await using works on ${name}, in TypeScript as it is written`, async () => {
    await consumer.runConsumer('await-using.ts', { runtime: await find() });
  });

  test(`await using works on ${name}, as the README shows it`, async () => {
    const [shown] = await readPrograms('ts');
    assert.match(shown?.code ?? '', /await using/);
    await consumer.write('index.ts', shown?.code);
    assert.equal(await consumer.run('index.ts', { runtime: await find() }), 'imported');
  });
}

for (const [name, find] of Object.entries(runtimes)) {
  test(`what the README shows in JavaScript runs on ${name}, as it stands`, async () => {
    const runtime = await find();
    for (const [index, { language, code }] of programs.entries()) {
      const file = language === 'cjs' ? 'index.cjs' : 'index.mjs';
      await consumer.write(file, relocated(code, { '127.0.0.1:6379': new URL(redis).host }));
      const printed = await consumer.run(file, { runtime });
      if (index === 0) assert.equal(printed, 'imported');
    }
    assert.ok(programs.length >= 3);
  });
}

for (const name of ['Node.js 24', 'Node.js 26'] as const) {
  test(`the store of docs/custom-store.md works on the SQLite of ${name}`, async () => {
    const example = await readFile(join(repository, 'examples/sqlite-store.ts'), 'utf8');
    await consumer.write('sqlite-store.ts', example);
    await consumer.write(
      'sqlite.ts',
      `
      import { DatabaseSync } from 'node:sqlite';
      import { tryAcquire } from 'dlock-js';
      import { SqliteStore } from './sqlite-store.ts';
      const [one, two] = [1, 2].map(() => new SqliteStore(new DatabaseSync('locks.db')));
      const lease = await tryAcquire(one, 'import');
      console.log(await tryAcquire(two, 'import'));
      await lease.extend();
      console.log(await lease.release());
      const next = await tryAcquire(two, 'import');
      console.log(next.fence > lease.fence);
      await next.release();
    `,
    );
    const runtime = await runtimes[name]?.();
    assert.equal(await consumer.run('sqlite.ts', { runtime }), 'null\ntrue\ntrue');
  });
}
