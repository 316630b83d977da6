/** GlideStore, on real servers. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Decoder, ProtocolVersion } from '@valkey/valkey-glide';
import { acquire, StoreError, tryAcquire } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { GlideStore } from 'dlock-js/valkey-glide';
import { execa } from 'execa';
import { createClient } from 'redis';
import { assertTaken, eventually, takeWhenFree, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { openGlide } from '../support/glide.js';
import { sharedRedis, startRedis } from '../support/servers.js';
import { compile } from '../support/workers.js';

const url = await sharedRedis();

testStore({
  name: 'GlideStore',
  queue: true,
  sharing: true,
  async create() {
    const open = () => openGlide(url);
    const clients = await Promise.all([open(), open(), open(), open()]);
    const [one, two, three, four] = clients;
    const close = () => {
      for (const client of clients) client.close();
    };
    return {
      store: new GlideStore(one, { listener: three }),
      other: new GlideStore(two, { listener: four }),
      close,
    };
  },
});

testStore({
  name: 'GlideStore, one listener for two stores, with a client that decodes nothing',
  cases: 'essential',
  queue: true,
  sharing: true,
  async create() {
    const open = () => openGlide(url, { defaultDecoder: Decoder.Bytes });
    const clients = await Promise.all([open(), open(), open()]);
    const [one, two, listener] = clients;
    const close = () => {
      for (const client of clients) client.close();
    };
    return {
      store: new GlideStore(one, { listener }),
      other: new GlideStore(two, { listener }),
      close,
    };
  },
});

testStore({
  name: 'GlideStore, without a listener',
  cases: 'essential',
  watch: false,
  sharing: true,
  async create() {
    const [one, two] = await Promise.all([openGlide(url), openGlide(url)]);
    const close = () => {
      one.close();
      two.close();
    };
    return { store: new GlideStore(one), other: new GlideStore(two), close };
  },
});

describe('GlideStore: what is in the database', () => {
  test('its stores and those of node-redis exclude and wake each other', async () => {
    await using ours = await openGlide(url);
    await using listener = await openGlide(url);
    const theirs = await createClient({ url }).connect();
    after(() => theirs.destroy());
    const [store, other] = [new GlideStore(ours, { listener }), new RedisStore(theirs)];
    for (const [holder, waiter] of [
      [store, other],
      [other, store],
    ] as const) {
      const first = await acquire(holder, 'both');
      assert.equal(await tryAcquire(waiter, 'both'), null);
      const waiting = acquire(waiter, 'both');
      await eventually('it subscribes', async () => {
        return (await theirs.pubSubChannels('dlock:both')).length === 1;
      });
      assert.equal(await first.release(), true);
      await using second = await waiting;
      assert.ok(Number(second.fence) > Number(first.fence));
    }
    await eventually('it has unsubscribed', async () => {
      return (await theirs.pubSubChannels('dlock:both')).length === 0;
    });
  });

  test("the client's own database is honoured", async () => {
    await using client = await openGlide(url, { databaseId: 4 });
    const reader = await createClient({ url, database: 4 }).connect();
    after(() => reader.destroy());
    await using lease = await tryAcquire(new GlideStore(client), 'import');
    assert.equal(await reader.get('dlock:import'), lease?.token);
    assert.equal(await reader.get('\0dlock:import'), `${lease?.fence}`);
  });
});

describe('GlideStore: listeners that hear nothing', () => {
  const deaf = {
    'one with a callback for messages': {
      pubsubSubscriptions: { channelsAndPatterns: {}, callback: () => {} },
    },
    'one that speaks RESP 2': { protocol: ProtocolVersion.RESP2 },
  };
  for (const [name, configuration] of Object.entries(deaf)) {
    test(`${name}: who waits asks`, async () => {
      await using client = await openGlide(url);
      await using listener = await openGlide(url, configuration);
      const store = new GlideStore(client, { listener, timeout: 500 });
      await assert.rejects(store.watch(name, () => {}));
      const first = await acquire(store, name);
      const waiting = acquire(new GlideStore(client, { listener, timeout: 500 }), name);
      await first.release();
      assert.equal(await (await waiting).release(), true);
    });
  }

  test('one that is closed while somebody waits: who waits asks', async () => {
    await using client = await openGlide(url);
    const listener = await openGlide(url);
    const store = new GlideStore(client, { listener });
    await store.acquire('unheard', thief, 60_000);
    const waiting = acquire(store, 'unheard');
    await eventually('it subscribes', async () => {
      return (await client.pubsubChannels()).includes('dlock:unheard');
    });
    listener.close();
    await store.release('unheard', thief);
    assert.equal(await (await waiting).release(), true);
    const late = new GlideStore(client, { listener });
    await assert.rejects(
      late.watch('unheard', () => {}),
      { name: 'ClosingError' },
    );
  });

  test('the client of the store itself is refused', async () => {
    await using client = await openGlide(url);
    assert.throws(() => new GlideStore(client, { listener: client }), {
      name: 'TypeError',
      message: 'listener of GlideStore must be another client than that of the store',
    });
  });
});

describe("GlideStore: GLIDE's own time limit", () => {
  test('a request that it gave up, and the server carries out later, is in doubt until then', async () => {
    await using server = await startRedis();
    await using client = await openGlide(server.url, { requestTimeout: 100 });
    await using other = await openGlide(server.url);
    const store = new GlideStore(client, { ttl: 60_000, timeout: 1_000 });
    await (await tryAcquire(store, 'frozen'))?.release();
    await server.freeze();
    const attempt = tryAcquire(store, 'frozen');
    await assert.rejects(attempt, { code: 'ERR_DLOCK_STORE', message: /no answer within 1000 ms/ });
    const commands: string[][] = [];
    const watched = {
      customCommand(words: string[]) {
        commands.push(words);
        return client.customCommand(words);
      },
      invokeScript: client.invokeScript,
    };
    const asked = new GlideStore(watched).acquire('asked', thief, 60_000).then(
      () => 'granted',
      (error) => error.name,
    );
    await eventually('GLIDE gives it up', () => commands.length > 1);
    await server.thaw();
    assert.equal(await asked, 'TimeoutError');
    // It was carried out before it failed.
    await assertTaken(new GlideStore(other), 'asked');
    await takeWhenFree(new GlideStore(other), 'frozen', thief);
  });

  test('a slow server is no failure, as long as it answers within the time limit of the store', async () => {
    await using server = await startRedis();
    await using client = await openGlide(server.url, { requestTimeout: 100 });
    const store = new GlideStore(client, { timeout: 20_000 });
    await (await tryAcquire(store, 'slow'))?.release();
    await server.freeze();
    const attempt = tryAcquire(store, 'slow');
    await server.thaw();
    await using lease = await attempt;
    assert.equal(lease?.held, true);
  });

  test('a server that went away is a StoreError, and one that came back is used again', async () => {
    await using server = await startRedis();
    await using client = await openGlide(server.url);
    const store = new GlideStore(client, { timeout: 1_000 });
    await (await tryAcquire(store, 'away'))?.release();
    await server.kill();
    await assert.rejects(tryAcquire(store, 'away'), StoreError);
    await server.restart();
    await eventually('it is used again', async () => {
      const lease = await tryAcquire(store, 'away').catch(() => null);
      return (await lease?.release()) === true;
    });
  });
});

test('GlideStore: a process that has closed its clients ends by itself', async () => {
  const file = compile(new URL('./workers/glide-closer.ts', import.meta.url));
  const { stdout } = await execa(process.execPath, [file, url], { timeout: 30_000 });
  assert.equal(stdout, 'closed');
});
