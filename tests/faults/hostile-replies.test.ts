/**
 * Servers that answer anything at all: a StoreError within the timeout, never a lease, never "held
 * by another", never "released". DLOCK_FUZZ_RUNS: how many answers that are made up.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Lease, type LockStore, StoreError, tryAcquire } from 'dlock-js';
import fc from 'fast-check';
import { eventually } from '../../src/testing/fixture.js';
import type { Matcher } from '../support/proxy/protocol.js';
import { resp } from '../support/proxy/resp.js';
import { type HostileServer, type Hostility, startHostileServer } from './hostile-server.js';
import { type StoreKind, singleServers } from './kinds.js';

const runs = Number(process.env.DLOCK_FUZZ_RUNS ?? 20);

const timeout = 150;
const endless = 'x'.repeat(1_000_000);
const nonsense = ['\r\n', '\0\xff\xfe', 'HTTP/1.1 400 Bad Request\r\n\r\n'];

/**
 * Answers that are of the protocol, but none that ours have. Booleans, whole doubles and numbers in
 * digits are not among them: the numbers that a script answers with, as clients may give them.
 */
const wrongReplies = [
  '+OK\r\n',
  '$-1\r\n',
  '$0\r\n\r\n',
  '$1\r\n \r\n',
  '$2\r\n01\r\n',
  '$2\r\n+1\r\n',
  '$2\r\n1 \r\n',
  '$3\r\n1.0\r\n',
  '$3\r\n0x1\r\n',
  '$16\r\n9007199254740993\r\n',
  '*0\r\n',
  '*-1\r\n',
  '*1\r\n:1\r\n',
  '-ERR no\r\n',
  '-WRONGTYPE\r\n',
  '-\r\n',
  ':9007199254740993\r\n',
  // RESP 3
  '_\r\n',
  ',1.5\r\n',
  ',nan\r\n',
  '(9007199254740993\r\n',
  '%1\r\n+a\r\n:1\r\n',
  '~1\r\n:1\r\n',
  '=6\r\ntxt:01\r\n',
];
/** What may be the beginning of something, and never ends. */
const begunReplies = [
  '',
  ':',
  ':1',
  '+',
  '$10\r\nabc',
  '*2\r\n:1\r\n',
  '$1000000000\r\n',
  `+${endless}`,
];

const wrongLines = [
  'OK',
  'DELETED',
  'TOUCHED',
  'ERROR',
  'CLIENT_ERROR bad data chunk',
  'SERVER_ERROR out of memory storing object',
  'BUSY',
  'VERSION 1.6',
  '1',
  'stored',
  'STORED2',
].map((line) => `${line}\r\n`);
const begunLines = ['', 'STO', 'STORED', 'STORED\r', 'VALUE ', endless];

/** A command of ours, and what is no answer to it. */
interface Target {
  readonly command: string;
  readonly matches: Matcher;
  readonly wrong: string[];
  readonly begun: string[];
}

const item = 'VALUE dlock:hostile 0';
const end = '\r\nEND\r\n';
const targets: Record<'redis' | 'memcache', Record<'acquire' | 'extend' | 'release', Target[]>> = {
  redis: {
    acquire: [{ command: 'EVAL', matches: resp.acquire, wrong: wrongReplies, begun: begunReplies }],
    extend: [redisYesOrNo(resp.extend)],
    release: [redisYesOrNo(resp.release)],
  },
  memcache: {
    acquire: [memcacheGets(), memcache('add', ['END\r\n', 'EXISTS\r\n', 'NOT_FOUND\r\n'])],
    extend: [memcacheGets(), memcache('cas', ['END\r\n', 'NOT_STORED\r\n', 'EXISTS\r\n'])],
    release: [memcacheGets(), memcache('cas', ['END\r\n', 'NOT_STORED\r\n', 'EXISTS\r\n'])],
  },
};

function redisYesOrNo(matches: Matcher): Target {
  const wrong = [...wrongReplies, ':2\r\n', ':-1\r\n'];
  return { command: 'EVAL', matches, wrong, begun: begunReplies };
}

function memcache(command: string, wrong: string[]): Target {
  const matches: Matcher = ([name]) => name === command;
  return { command, matches, wrong: [...wrongLines, ...wrong], begun: begunLines };
}

function memcacheGets(): Target {
  const { command, matches, wrong, begun } = memcache('gets', [
    'STORED\r\n',
    'NOT_FOUND\r\n',
    `VALUE dlock:other 0 1 7\r\na${end}`,
    `${item} 1\r\na${end}`,
    `${item} 1 0\r\na${end}`,
    `${item} 1 x\r\na${end}`,
  ]);
  return { command, matches, wrong, begun: [...begun, `${item} 1 7\r\na\r\n`, `${item} 5 7\r\na`] };
}

/** Every known trick, and made-up ones: text that begins like no answer of ours. */
function hostilities({ wrong, begun }: Target): Hostility[] {
  const whole = [...wrong, ...nonsense].map((bytes) => ({ bytes, next: 'goes on' }) as const);
  const silent = begun.map((bytes) => ({ bytes, next: 'is silent' }) as const);
  const cut = [...begun, ...nonsense].map((bytes) => ({ bytes, next: 'cuts' }) as const);
  return [...whole, ...silent, ...cut];
}

/** A number in digits: see {@link wrongReplies}. */
const digits = /^\+-?\d+\r\n/;
/** Two nulls of RESP 3: ioredis ends the process at one that nobody asked for, with a TypeError. */
const twoNulls = /_.*_/s;

const madeUp: fc.Arbitrary<Hostility> = fc.record({
  bytes: fc
    .tuple(fc.constantFrom(...'+-$*_(!=%~?abc \0'), fc.string({ unit: 'binary-ascii' }))
    .map(([first, rest]) => `${first}${rest}\r\n`)
    .filter((bytes) => !digits.test(bytes) && !twoNulls.test(bytes)),
  next: fc.constantFrom('goes on', 'cuts', 'is silent'),
});

/** Where the machine is busy, an honest answer may come too late as well: then once more. */
async function leaseOf(store: LockStore): Promise<Lease> {
  let lease: Lease | null | undefined;
  await eventually('an honest answer comes in time', async () => {
    lease = await tryAcquire(store, 'hostile').catch(() => null);
    return lease !== null;
  });
  assert.ok(lease);
  return lease;
}

const taken: Hostility = { bytes: 'NOT_STORED\r\n', next: 'goes on' };

async function assertFails(outcome: Promise<unknown>, shown: string): Promise<void> {
  const start = performance.now();
  const error = await outcome.then(
    (value) => assert.fail(`${shown} was taken for ${JSON.stringify(value)}`),
    (error) => error,
  );
  assert.ok(error instanceof StoreError, `${shown} ended in ${error}`);
  assert.ok(performance.now() - start < timeout + 5_000, `${shown} took too long`);
}

async function assertWithstands(
  kind: StoreKind,
  server: HostileServer,
  operation: 'acquire' | 'extend' | 'release',
  { command, matches }: Target,
  hostility: Hostility,
): Promise<void> {
  const { bytes, next } = hostility;
  const shown = `${JSON.stringify(bytes.slice(0, 80))} (and ${next}), in answer to ${command},`;
  server.answer(() => undefined);
  await using mine = await kind.open([server.port], { ttl: 60_000, timeout });
  if (operation === 'acquire') {
    // Memcached is asked who holds the lock only where it has said that somebody does.
    server.answer((words) => (matches(words) ? hostility : words[0] === 'add' ? taken : undefined));
    await assertFails(tryAcquire(mine.store, 'hostile', { ttl: 300 }), shown);
    return;
  }
  const lease = await leaseOf(mine.store);
  server.answer((words) => (matches(words) ? hostility : undefined));
  await assertFails(lease[operation](), shown);
  assert.equal(lease.signal.aborted, false, `${shown} was taken for a loss`);
  if (lease.held) lease.handOver();
}

for (const kind of singleServers) {
  const { name, protocol } = kind;
  describe(`${name}, hostile servers`, { concurrency: 3 }, () => {
    const known = targets[protocol === resp ? 'redis' : 'memcache'];
    for (const operation of ['acquire', 'extend', 'release'] as const) {
      for (const target of known[operation]) {
        test(`${operation}: no answer to ${target.command} that is none`, async () => {
          await using server = await startHostileServer(protocol);
          for (const hostility of hostilities(target)) {
            await assertWithstands(kind, server, operation, target, hostility);
          }
          const property = fc.asyncProperty(madeUp, (hostility) =>
            assertWithstands(kind, server, operation, target, hostility),
          );
          await fc.assert(property, { numRuns: runs });
        });
      }
    }
  });
}
