/** The command and Redis over TLS, with authorities and certificates of one's own. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { assertLine, dlock, fresh } from '../support/command.js';
import { startTlsRedis } from '../support/servers/tls.js';

const open = await startTlsRedis();
after(() => open.stop());
const closed = await startTlsRedis('certified');
after(() => closed.stop());

const args = ['job', '--', 'echo', 'ran'];

test('an authority that nobody named is 69', async () => {
  const outcome = await dlock(args, { store: open.url });
  assert.deepEqual([outcome.exitCode, outcome.stdout], [69, '']);
  assertLine(outcome, /lock "job": the store cannot be used: .*certificate/);
});

test('NODE_EXTRA_CA_CERTS adds one', async () => {
  const env = { NODE_EXTRA_CA_CERTS: open.files.certificate };
  const outcome = await dlock(args, { store: open.url, env });
  assert.deepEqual([outcome.exitCode, outcome.stdout, outcome.stderr], [0, 'ran\n', '']);
});

test('?cacert= names one, for who waits as well', async () => {
  const store = `${open.url}/1?cacert=${open.files.certificate}`;
  for (const wait of ['0', '1m']) {
    const outcome = await dlock(['--wait', wait, ...args], { store });
    assert.deepEqual([outcome.exitCode, outcome.stdout, outcome.stderr], [0, 'ran\n', '']);
  }
});

test('a server that wants a certificate gets it by ?cert= and ?key=', async () => {
  const { certificate, key } = closed.files;
  const without = await dlock(args, { store: `${closed.url}?cacert=${certificate}` });
  assert.equal(without.exitCode, 69, String(without.stderr));
  const store = `${closed.url}?cacert=${certificate}&cert=${certificate}&key=${key}`;
  const outcome = await dlock(args, { store });
  assert.deepEqual([outcome.exitCode, outcome.stdout, outcome.stderr], [0, 'ran\n', '']);
});

describe('files that cannot be used are 69', () => {
  test('one that is not there', async () => {
    const outcome = await dlock(args, { store: `${open.url}?cacert=/no/such/file` });
    assert.equal(outcome.exitCode, 69);
    assertLine(outcome, /lock "job": the store cannot be used: ENOENT.*\/no\/such\/file/);
  });

  test('one that is no certificate', async () => {
    const path = fresh('certificate');
    await writeFile(path, 'nonsense');
    const store = `${open.url}?cert=${path}&key=${path}`;
    const outcome = await dlock(args, { store });
    assert.equal(outcome.exitCode, 69);
    assertLine(outcome, /lock "job": the store cannot be used/);
  });
});

describe('parameters that are invalid are 64', () => {
  for (const [store, message] of [
    ['rediss://host?ca=/file', /\?cacert=, \?cert= and \?key=/],
    ['rediss://host?cacert=', /\?cacert=, \?cert= and \?key=/],
    ['rediss://host?cert=/file', /need each other/],
    ['rediss://host?key=/file', /need each other/],
    ['redis://host?cacert=/file', /parameters are for rediss:/],
    ['rediss://user:12?secret@host', /must be percent-encoded/],
    ['rediss://user:12?secret', /\?cacert=, \?cert= and \?key=/],
    ['memcache://host?cacert=/file', /parameters are for rediss:/],
  ] as const) {
    test(store, async () => {
      const outcome = await dlock(args, { store });
      assert.equal(outcome.exitCode, 64);
      assertLine(outcome, message);
      assert.doesNotMatch(String(outcome.stderr), /secret/);
    });
  }
});
