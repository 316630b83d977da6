/** Uses what every subpath exports, as a user of TypeScript would: the compiler is the test. */
import {
  type AcquireOptions,
  AcquireTimeoutError,
  type Attempt,
  acquire,
  DlockError,
  type DlockEvents,
  type Lease,
  type LeaseEvent,
  LeaseLostError,
  type LeaseOptions,
  type LockStore,
  locked,
  type Outcome,
  StoreError,
  subscribe,
  tryAcquire,
} from 'dlock-js';
import { EtcdStore, type EtcdStoreOptions } from 'dlock-js/etcd';
import { FileStore, type FileStoreOptions } from 'dlock-js/file';
import { type IoredisClient, IoredisStore, type IoredisStoreOptions } from 'dlock-js/ioredis';
import { type MemcacheClient, MemcacheStore, type MemcacheStoreOptions } from 'dlock-js/memcache';
import { MemoryStore, type MemoryStoreOptions } from 'dlock-js/memory';
import {
  type MysqlClient,
  MysqlStore,
  type MysqlStoreOptions,
  schema as mysqlSchema,
} from 'dlock-js/mysql';
import { type InstrumentOptions, instrument } from 'dlock-js/opentelemetry';
import {
  type PostgresQuery,
  PostgresStore,
  type PostgresStoreOptions,
  schema,
} from 'dlock-js/postgres';
import { QuorumStore, type QuorumStoreOptions } from 'dlock-js/quorum';
import { type RedisClient, RedisStore, type RedisStoreOptions } from 'dlock-js/redis';
import { type StoreFixture, type StoreUnderTest, testStore } from 'dlock-js/testing';
import {
  type GlideClient,
  type GlideListener,
  GlideStore,
  type GlideStoreOptions,
} from 'dlock-js/valkey-glide';

const memory: MemoryStoreOptions = { ttl: 60_000 };
const file: FileStoreOptions = { timeout: 1_000 };
const redis: RedisStoreOptions = { prefix: 'app:' };
const ioredis: IoredisStoreOptions = { timeout: 1_000 };
const memcache: MemcacheStoreOptions = { ...redis, ttl: 60_000 };
const mysql: MysqlStoreOptions = { table: mysqlSchema().slice(0, 5), timeout: 1_000 };
const postgres: PostgresStoreOptions = { table: schema().slice(13, 24) };
const query: PostgresQuery = async () => [];
const etcd: EtcdStoreOptions = { tls: { servername: 'etcd' }, timeout: 1_000 };
const glide: GlideStoreOptions = { ...redis };
const quorum: QuorumStoreOptions = { ttl: 60_000 };

export function everyStore(
  redisClient: RedisClient,
  ioredisClient: IoredisClient,
  memcacheClient: MemcacheClient,
  mysqlClient: MysqlClient,
  glideClient: GlideClient & GlideListener,
): LockStore[] {
  const stores = [
    new MemoryStore(memory),
    new FileStore('locks', file),
    new RedisStore(redisClient, redis),
    new IoredisStore(ioredisClient, ioredis),
    new GlideStore(glideClient, { ...glide, listener: glideClient }),
    new MemcacheStore(memcacheClient, memcache),
    new MysqlStore(mysqlClient, mysql),
    new PostgresStore(query, postgres),
    new EtcdStore('https://127.0.0.1:2379', etcd),
  ];
  return [...stores, new QuorumStore(stores, quorum)];
}

/** What a configuration may or may not say is passed on as it is, under any setting of the compiler. */
export function storesOfMaybe(
  maybe: { ttl: number | undefined; timeout: number | undefined; prefix: string | undefined },
  clients: [RedisClient, IoredisClient, MemcacheClient],
): LockStore[] {
  const { prefix, ...times } = maybe;
  const keyed = { prefix, ...times };
  const stores = [
    new MemoryStore(times),
    new FileStore('locks', times),
    new RedisStore(clients[0], keyed),
    new IoredisStore(clients[1], keyed),
    new MemcacheStore(clients[2], keyed),
  ];
  return [...stores, new QuorumStore(stores, times), new MaybeStore(maybe.ttl)];
}

/** A store that knows its limits only when it is made, and may or may not be able to wake. */
class MaybeStore extends MemoryStore implements LockStore {
  readonly maxTtl: number | undefined;
  readonly connected: boolean | undefined = undefined;
  constructor(maxTtl: number | undefined) {
    super();
    this.maxTtl = maxTtl;
  }
}

export const wrapped = (store: LockStore, canWake: boolean): LockStore => ({
  ttl: store.ttl,
  timeout: store.timeout,
  maxTtl: store.maxTtl,
  connected: store.connected,
  acquire: (...request) => store.acquire(...request),
  extend: (...request) => store.extend(...request),
  release: (...request) => store.release(...request),
  watch: canWake ? store.watch?.bind(store) : undefined,
});

/** A store of somebody's own, from the types of the core alone. */
export class OwnStore implements LockStore {
  readonly maxTtl = 3_600_000;
  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    return name === token ? { granted: true, fence: 1 } : { granted: false, retryAfter: ttl };
  }
  async extend(): Promise<boolean> {
    return true;
  }
  async release(): Promise<boolean> {
    return true;
  }
}

export function testOwnStore(): void {
  const create = async (): Promise<StoreFixture> => ({
    store: new OwnStore(),
    other: new OwnStore(),
  });
  const subject: StoreUnderTest = {
    name: 'OwnStore',
    create,
    step: 1_000,
    fence: true,
    watch: false,
    cases: 'essential',
  };
  testStore({ ...subject, skip: { 'first come, first served': 'it grants to everybody' } });
}

const options: LeaseOptions = { ttl: 60_000, renew: true, minHold: 1_000 };

export async function runImport(store: LockStore): Promise<string> {
  try {
    await using lease = await tryAcquire(store, 'import', options);
    if (!lease) return 'held by another';
    lease.signal.throwIfAborted();
    await lease.extend(lease.remaining);
    return `${lease.name} ${lease.token} ${lease.fence?.toFixed()} ${await lease.release({ after: 5 })}`;
  } catch (error) {
    if (error instanceof StoreError || error instanceof LeaseLostError) return error.code;
    throw error instanceof DlockError ? error.cause : error;
  }
}

const patient: AcquireOptions = { ...options, wait: 5_000 };

export async function runImportInTurn(store: LockStore): Promise<number> {
  try {
    await using lease = await acquire(store, 'import', patient);
    lease.assertHeld();
    const outcome: Outcome<number> = await locked(store, 'count', () => lease.remaining, patient);
    return outcome.ran ? outcome.value : outcome.reason.length;
  } catch (error) {
    if (error instanceof AcquireTimeoutError) return patient.wait ?? 0;
    throw error;
  }
}

export function describe({ name, token, fence }: LeaseEvent, lost: DlockEvents['lost']): string {
  return `${name} ${token} ${fence} ${lost.error.message}`;
}

export function listen(told: (text: string) => void): () => void {
  const options: InstrumentOptions = { meter: null, groupOf: (name) => name.slice(0, 1) };
  const ends = [
    instrument(options),
    subscribe('granted', ({ name, waitedFor, latency }) => told(`${name} ${waitedFor - latency}`)),
    subscribe('abandoned', ({ name, reason }) => told(`${name} ${reason satisfies string}`)),
    // @ts-expect-error a wait has no token
    subscribe('abandoned', ({ token }) => told(token)),
    // @ts-expect-error not an event
    subscribe('acquired', () => {}),
  ];
  return () => {
    for (const end of ends) end();
  };
}

export async function mistakesDoNotCompile(store: LockStore, lease: Lease | null): Promise<void> {
  // @ts-expect-error the lease may be null
  lease.assertHeld();
  // @ts-expect-error no name
  await tryAcquire(store);
  // @ts-expect-error no body
  await locked(store, 'import', { wait: 0 });
  // @ts-expect-error the value is there only if the body ran
  (await locked(store, 'import', () => 1)).value;
  // @ts-expect-error not a store
  await tryAcquire({}, 'import');
  // @ts-expect-error not an option
  await tryAcquire(store, 'import', { tll: 1_000 });
  // @ts-expect-error one cannot ask whether a lock is free
  store.isLocked('import');
}
