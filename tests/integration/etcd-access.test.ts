/** Who gets into etcd: users with passwords, and TLS. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { acquire, type LockStore, StoreError, settled, tryAcquire } from 'dlock-js';
import { EtcdStore, type EtcdStoreOptions } from 'dlock-js/etcd';
import { eventually, slack } from '../../src/testing/fixture.js';
import { acquireThroughOutages, ask, encode } from '../support/etcd-talk.js';
import { startTlsEtcd } from '../support/servers/etcd.js';
import { type OwnServer, startEtcd } from '../support/servers.js';

/** Takes, refuses, extends, waits and releases; then nothing is left to be done. */
async function assertWorks(holder: LockStore, other: LockStore, name: string) {
  const lease = await acquire(holder, name);
  assert.equal(await tryAcquire(other, name), null);
  await lease.extend(20_000);
  let isQueued = false;
  const watched: LockStore = {
    acquire: async (...request) => {
      const answer = await other.acquire(...request);
      isQueued ||= !answer.granted && answer.placeFor !== undefined;
      return answer;
    },
    extend: (...request) => other.extend(...request),
    release: (...request) => other.release(...request),
    watch: (...request) => other.watch?.(...request) as Promise<AsyncDisposable>,
  };
  const waiting = acquire(watched, name, { wait: 30_000 });
  waiting.catch(() => {});
  await eventually('it has a place', () => isQueued);
  const start = performance.now();
  assert.equal(await lease.release(), true);
  assert.equal(await (await waiting).release(), true);
  const waited = performance.now() - start;
  assert.ok(waited < slack, `${waited} ms`);
  assert.equal(await settled(holder), true);
}

describe('etcd with users', () => {
  let server: OwnServer & { url: string };
  const password = 'the password of dlock';
  const user = { user: 'dlock', password };
  const open = (options: EtcdStoreOptions = user) => new EtcdStore(server.url, options);

  before(async () => {
    server = await startEtcd();
    const change = (path: string, body: object) => ask(server.url, `auth/${path}`, body);
    for (const name of ['root', 'dlock']) {
      await change('user/add', { name, password: name === 'root' ? 'secret' : password });
      await change('role/add', { name });
      await change('user/grant', { user: name, role: name });
    }
    const range = { key: encode('dlock:'), range_end: encode('dlock;') };
    await change('role/grant', { name: 'dlock', perm: { permType: 'READWRITE', ...range } });
    await change('enable', {});
  });
  after(() => server.stop());

  test('a right to the range of the prefix is enough', async () => {
    await assertWorks(open(), open(), 'rights');
  });

  test('a token that the server has forgotten is renewed, by those who wait too', async () => {
    const [holder, other] = [open(), open()];
    const lease = await acquire(holder, 'forgotten', { ttl: 60_000 });
    const waiting = acquireThroughOutages(other, 'forgotten');
    waiting.catch(() => {});
    await server.restart();
    await lease.extend();
    await assertWorks(holder, other, 'remembered');
    assert.equal(await lease.release(), true);
    assert.equal(await (await waiting).release(), true);
  });

  test('no rights, no user, or a wrong password: what the server says, and never the password', async () => {
    for (const [options, said] of [
      [{ ...user, prefix: 'other:' }, /permission denied/],
      [{}, /user name is empty/],
      [{ ...user, password: 'hunter2' }, /authentication failed, invalid user ID or password/],
      [{ user: 'nobody', password: 'hunter2' }, /authentication failed/],
    ] as const) {
      await assert.rejects(tryAcquire(open(options), 'denied', { ttl: 1_000 }), (error: Error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, said);
        const all = JSON.stringify([error.message, error.stack, String(error.cause)]);
        assert.ok(!/hunter2|password of dlock/.test(all));
        return true;
      });
    }
    assert.ok(!/password of dlock/.test(JSON.stringify(open())));
  });
});

describe('etcd over TLS', () => {
  let server: Awaited<ReturnType<typeof startTlsEtcd>>;
  before(async () => {
    server = await startTlsEtcd();
  });
  after(() => server.stop());

  test('a private authority is trusted where it is given', async () => {
    const open = () => new EtcdStore(server.url, { tls: { ca: server.certificate } });
    await assertWorks(open(), open(), 'trusted');
  });

  test('a certificate that nobody vouches for is an error, and so is plain HTTP', async () => {
    const distrusting = new EtcdStore(server.url);
    await assert.rejects(tryAcquire(distrusting, 'distrusted', { ttl: 1_000 }), /self-signed/);
    const plain = new EtcdStore(server.url.replace('https:', 'http:'));
    await assert.rejects(tryAcquire(plain, 'distrusted', { ttl: 1_000 }), StoreError);
  });
});
