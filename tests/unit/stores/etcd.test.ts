/** What an EtcdStore is made with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tryAcquire } from 'dlock-js';
import { EtcdStore, type EtcdStoreOptions } from 'dlock-js/etcd';

const url = 'http://127.0.0.1:2379';

test('endpoints are URLs of one cluster, with nothing but scheme, host and port', () => {
  for (const endpoints of [url, `${url}/`, [url], ['https://a', 'https://[::1]:2379']]) {
    assert.doesNotThrow(() => new EtcdStore(endpoints));
  }
  for (const [endpoints, said] of [
    ['127.0.0.1:2379', /such as http:\/\/127\.0\.0\.1:2379, not "127\.0\.0\.1:2379"/],
    ['etcd://127.0.0.1', /not "etcd:/],
    [`${url}/v3`, /not "http:/],
    [`${url}/?x`, /not "http:/],
    [[], /needs one URL or a list of them/],
    [undefined, /needs one URL or a list of them, not undefined/],
    [[url, 7], /not 7/],
    [[url, 'https://b'], /all http: or all https:/],
  ] as const) {
    assert.throws(() => new EtcdStore(endpoints as string), { name: 'TypeError', message: said });
  }
});

test('a password in an endpoint is refused, and in no message', () => {
  assert.throws(
    () => new EtcdStore('http://user:secret@127.0.0.1:2379'),
    ({ name, message }) => name === 'TypeError' && !message.includes('secret'),
  );
});

test('options that there are not, or that make no sense, are refused', () => {
  for (const [options, name, said] of [
    [{ retries: 3 }, 'TypeError', /"retries" of EtcdStore/],
    [{ user: 'dlock' }, 'TypeError', /user and password of EtcdStore must be given together/],
    [{ password: 'secret' }, 'TypeError', /given together/],
    [{ user: 7, password: 'secret' }, 'TypeError', /user of EtcdStore must be a name/],
    [{ tls: { host: 'x' } }, 'TypeError', /"host" of tls of EtcdStore/],
    [{ tls: true }, 'TypeError', /tls of EtcdStore must be an object/],
    [{ prefix: '\ud800' }, 'RangeError', /prefix of EtcdStore must be well-formed/],
    [{ ttl: 0 }, 'RangeError', /ttl of EtcdStore/],
    [{ ttl: 9_000_000_000_001 }, 'RangeError', /ttl of EtcdStore/],
  ] as const) {
    assert.throws(
      () => new EtcdStore(url, options as EtcdStoreOptions),
      (error: Error) => {
        assert.equal(error.name, name);
        assert.match(error.message, said);
        assert.ok(!error.message.includes('secret'));
        return true;
      },
    );
  }
});

test('a limit is refused before any request', async () => {
  const attempt = tryAcquire(new EtcdStore(url), 'shared', { limit: 2 });
  await assert.rejects(attempt, { name: 'TypeError', message: /cannot share locks/ });
});
