/** The examples that are processes of their own do what they say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { tryAcquire } from '../../src/api/acquire.js';
import { FileStore } from '../../src/stores/file/file.js';
import { eventually } from '../../src/testing/fixture.js';
import { compile } from '../support/workers.js';
import { ownDirectory } from './two-stores.js';

test('a worker that SIGTERM ends stops its bodies and its waits, and releases its leases', async () => {
  const directory = ownDirectory();
  const store = new FileStore(directory);
  await using lease = await tryAcquire(store, 'reports');
  assert.ok(lease);
  const program = compile(new URL('../../examples/graceful-shutdown.ts', import.meta.url));
  const worker = execa('node', [program, directory], { reject: false });
  let said = '';
  worker.stdout.on('data', (words) => {
    said += words;
  });
  // It works under one lock, and waits for the other.
  await eventually('it works', () => said === 'invoices: working\n', 60_000);
  assert.equal(await tryAcquire(store, 'invoices'), null);
  worker.kill('SIGTERM');

  const { exitCode, stderr } = await worker;
  assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
  assert.match(said, /^reports: stopped$/m);
  assert.match(said, /^invoices: stopped$/m);
  assert.match(said, /^bye$/m);
  // Given back, not left to lapse after its ttl.
  await using next = await tryAcquire(store, 'invoices');
  assert.ok(next);
  assert.equal(lease.held, true);
});

test('of two consumers one leads; when SIGTERM ends it, the other goes on where it was', async () => {
  const directory = ownDirectory();
  const program = compile(new URL('../../examples/leader.ts', import.meta.url));
  const start = () => {
    const child = execa('node', [program, directory], { reject: false });
    const lines: string[] = [];
    child.stdout.on('data', (words) => lines.push(...String(words).trimEnd().split('\n')));
    /** The numbers of the messages that it has handled. */
    const handled = () =>
      lines.flatMap((line) => /handled message (\d+)$/.exec(line)?.slice(1).map(Number) ?? []);
    return { child, lines, handled };
  };
  const first = start();
  await eventually('it consumes', () => first.handled().length > 0, 60_000);
  const second = start();
  const handled = first.handled().length;
  await eventually('it goes on', () => first.handled().length > handled + 2, 60_000);
  assert.deepEqual(second.lines, []);
  first.child.kill('SIGTERM');
  await eventually('the other goes on', () => second.handled().length > 1, 60_000);
  second.child.kill('SIGTERM');

  for (const { child, lines } of [first, second]) {
    const { exitCode, stderr } = await child;
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
    assert.match(lines[0] ?? '', /leads, with fence \d+$/);
    assert.equal(lines.at(-1), `${child.pid} ends`);
  }
  const all = [...first.handled(), ...second.handled()];
  assert.deepEqual(
    all,
    all.map((_, index) => index + 1),
  );
});
