/** The URLs that the command takes: how they are named, told apart and refused, without any server. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UsageError } from '../../src/cli/arguments.js';
import { placesOf, secretsOf } from '../../src/cli/store-url.js';

const [user, secret] = ['us%40er', 'sec%2Fret'];
const credentials = `${user}:${secret}@`;

describe('names, with what is usual and without credentials', () => {
  for (const [url, name] of Object.entries({
    [`valkey://${credentials}host/2`]: 'redis://host:6379/2',
    [`valkeys://${credentials}host?cacert=/ca.pem`]: 'rediss://host:6379/0',
    [`VALKEY+unix://${credentials}/run/valkey.sock?db=1`]: 'redis+unix:///run/valkey.sock?db=1',
    [`valkey+cluster://${credentials}one,two:1`]: 'redis+cluster://one:6379,two:1',
    [`valkey+sentinel://${credentials}one/main`]: 'redis+sentinel://one:26379/main',
    [`postgres://${credentials}host`]: 'postgres://host:5432/',
    [`postgresql://${credentials}[::1]:1/app?sslmode=require&table=a.b`]: 'postgres://[::1]:1/app',
    'postgres:///app?host=/run/postgresql&port=1': 'postgres:///app?host=/run/postgresql&port=1',
    'postgres:///app?host=/run/postgresql': 'postgres:///app?host=/run/postgresql&port=5432',
    [`mysql://${credentials}host/app`]: 'mysql://host:3306/app',
    [`mariadb://${credentials}host:1/app?ssl-mode=VERIFY_CA&ssl-ca=/ca`]: 'mysql://host:1/app',
    'mysql:///app?socket=/run/mysqld.sock': 'mysql:///app?socket=/run/mysqld.sock',
    [`etcd://${credentials}one,two:1,[::1]`]: 'etcd://one:2379,two:1,[::1]:2379',
    [`etcds://${credentials}one/?cacert=/ca.pem`]: 'etcds://one:2379',
  })) {
    if (name)
      test(url, () =>
        assert.deepEqual(
          placesOf(url).map((place) => place.name),
          [name],
        ),
      );
  }

  test('a list of them, in which a list of hosts is one', () => {
    const list = 'postgres://one/app, etcd://two,three, valkey://four,mysql://five/app';
    assert.deepEqual(
      placesOf(list).map(({ name }) => name),
      [
        'postgres://one:5432/app',
        'etcd://two:2379,three:2379',
        'redis://four:6379/0',
        'mysql://five:3306/app',
      ],
    );
  });
});

describe('the same server', () => {
  const share = (one: string, other: string) => {
    const [first = [], second = []] = placesOf(`${one},${other}`).map((place) =>
      place.identities(),
    );
    return first.some((identity) => second.includes(identity));
  };
  for (const [one, other] of [
    ['valkey://host', 'redis://HOST:6379/3'],
    ['postgres://host/one', 'postgresql://me@host:5432/two?sslmode=disable'],
    ['postgres:///one?host=/tmp', 'postgres:///two?host=/tmp/../tmp'],
    ['mysql://localhost/one', 'mariadb://127.0.0.1:3306/two'],
    ['etcd://one,two', 'etcds://two:2379'],
  ] as const) {
    test(`${one} and ${other}`, () => assert.equal(share(one, other), true));
  }
  for (const [one, other] of [
    ['postgres://host', 'postgres://host:1'],
    ['postgres:///one?host=/tmp', 'postgres:///one?host=/tmp&port=1'],
    ['postgres://host', 'mysql://host/app'],
    ['etcd://one', 'etcd://two'],
  ] as const) {
    test(`but not ${one} and ${other}`, () => assert.equal(share(one, other), false));
  }
});

describe('refused, with no word of a password', () => {
  for (const [url, message] of [
    ['postgres://', /URL of a PostgreSQL server/],
    ['postgres:///app', /URL of a PostgreSQL server/],
    ['postgres://host/one/two', /URL of a PostgreSQL server/],
    ['postgres://host?host=elsewhere', /URL of a PostgreSQL server/],
    ['postgres://host?port=1', /URL of a PostgreSQL server/],
    ['postgres:///app?host=/tmp&port=0', /URL of a PostgreSQL server/],
    ['postgres://user:12?secret', /URL of a PostgreSQL server/],
    ['postgres://host?sslcert=/secret', /URL of a PostgreSQL server/],
    ['postgres://host?sslmode=secret', /sslmode of a postgres:.*verify-full$/],
    ['postgres://host?password=secret', /URL of a PostgreSQL server/],
    ['postgres://host:0', /port 0/],
    ['postgres://user:se/secret@host', /percent-encoded/],
    ['postgres://user:se#secret@host', /percent-encoded/],
    ['postgres://user:secret%@host', /written %25/],
    ['postgres://host/secret%', /written %25/],
    ['mysql://host', /URL of a MySQL server/],
    ['mysql:///app', /URL of a MySQL server/],
    ['mysql://host/app?sslmode=secret', /URL of a MySQL server/],
    ['mysql://host/app?ssl-mode=secret', /ssl-mode of a mysql:.*VERIFY_IDENTITY$/],
    ['mysql://host/app?ssl-key=/secret', /URL of a MySQL server/],
    ['mariadb://user:12?secret@host/app', /must be percent-encoded/],
    ['etcd://', /URL of etcd/],
    ['etcd://one,,two', /URL of etcd/],
    ['etcd://one/secret', /URL of etcd/],
    ['etcd://user@one', /URL of etcd/],
    ['etcd://one?cacert=/secret', /URL of etcd/],
    ['etcds://one?ca=/secret', /parameters of a etcds:.* URL are \?cacert=/],
    ['etcds://one?cert=/secret', /need each other/],
    ['etcd://user:se#secret@one', /URL of etcd/],
    ['valkeys://host?cert=/secret', /need each other/],
    ['valkey://host?db=secret', /must be percent-encoded/],
    ['mongodb://user:secret@host', /must begin with redis:.*postgres:.*mysql:.*etcd:.* or file:$/],
  ] as const) {
    test(url, () => {
      assert.throws(
        () => placesOf(url),
        (error) => {
          assert.ok(error instanceof UsageError, String(error));
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret(?! of)/);
          return true;
        },
      );
    });
  }

  test('a table, and a prefix, that the store does not take', () => {
    for (const [url, options] of [
      ['postgres://host?table=two%20words', {}],
      ['mysql://host/app?table=two%20words', {}],
      ['mysql://host/app', { prefix: 'app:' }],
      ['postgres://host', { prefix: '\0' }],
      ['file:///directory', { prefix: 'app:' }],
    ] as const) {
      const [place] = placesOf(url);
      assert.throws(() => place?.check(options), /table|prefix/, url);
    }
    for (const url of ['postgres://host?table=app.locks', 'etcd://host', 'valkey://host']) {
      placesOf(url)[0]?.check({ prefix: 'app:' });
    }
  });
});

test('every password is a secret, as it is written and as it is meant', () => {
  for (const scheme of ['postgres', 'mysql', 'etcd', 'etcds', 'valkey', 'valkeys']) {
    const secrets = secretsOf(`${scheme}://${credentials}host/app,redis://other`);
    assert.ok(secrets.includes('sec%2Fret') && secrets.includes('sec/ret'), String(secrets));
  }
});
