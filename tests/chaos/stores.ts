/** The stores that chaos is let loose on: how each is set up, and what it promises. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { schema as mysqlSchema } from 'dlock-js/mysql';
import { schema as postgresSchema } from 'dlock-js/postgres';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { Client } from 'pg';
import { createClient } from 'redis';
import * as etcd from '../support/etcd-talk.js';
import { listAll } from '../support/listing.js';
import { startProxy, type TcpProxy } from '../support/proxy/proxy.js';
import { startEtcdCluster } from '../support/servers/etcd.js';
import { ask } from '../support/servers/ports.js';
import { startPostgres } from '../support/servers/postgres.js';
import { type OwnServer, startMemcached, startMysql, startRedis } from '../support/servers.js';
import type { FaultKind } from './faults.js';

/** Figures by their names. */
export type Gauges = Record<string, number>;

/** A row of {@link storeKinds}. */
export interface StoreKind {
  /** Whether the store promises fences. */
  readonly fenced: boolean;
  /** The limits beyond 1 that it can keep to; absent: it gives a lock to one at a time. */
  readonly limits?: readonly number[];
  /** Faults after which it promises nothing, and which are left out therefore. */
  readonly forfeits: readonly FaultKind[];
  /** Where it takes more time than others: what a plan is changed by. */
  readonly pace?: { readonly ttl: number; readonly timeout: number; readonly contenders: number };
  setUp(): Promise<Scene>;
}

/** A store that is set up, with all that can be done to it. */
export interface Scene extends AsyncDisposable {
  /** What the workers open (see ../stores.ts): it leads through the proxies. */
  readonly url: string;
  /** The same locks without a proxy between. */
  readonly directUrl: string;
  readonly servers: readonly OwnServer[];
  readonly proxies: readonly TcpProxy[];
  /** What could grow where the locks live. */
  gauges(): Promise<Gauges>;
}

const anyLimit = [2, 3, Infinity];

export const storeKinds: Record<string, StoreKind> = {
  redis: {
    fenced: true,
    limits: anyLimit,
    forfeits: [],
    setUp: () => behindProxies([startRedis()], redisUrl, redisGauges),
  },
  memcache: {
    fenced: false,
    // Its clock stands still while it is stopped, and a moment longer: what it stores then dies early.
    forfeits: ['server frozen'],
    setUp: () =>
      behindProxies([startMemcached()], ([port]) => `memcache://127.0.0.1:${port}`, memcacheGauges),
  },
  postgres: {
    fenced: true,
    limits: anyLimit,
    forfeits: [],
    setUp: () => behindProxies([startPostgresWithTable()], postgresUrl, postgresGauges),
  },
  mysql: {
    fenced: true,
    forfeits: [],
    setUp: () => behindProxies([startMysqlWithTable()], mysqlUrl, mysqlGauges),
  },
  quorum: {
    fenced: false,
    limits: [Infinity],
    forfeits: [],
    setUp: () => behindProxies([startRedis(), startRedis(), startRedis()], redisUrl, redisGauges),
  },
  etcd: {
    fenced: true,
    forfeits: [],
    // Three nodes write each step to their disks, and a life is at least two seconds.
    pace: { ttl: 2_000, timeout: 1_500, contenders: 2 },
    async setUp() {
      const { nodes } = await startEtcdCluster();
      return etcdScene(nodes);
    },
  },
  file: {
    fenced: true,
    limits: anyLimit,
    forfeits: ['server frozen', 'connection cut', 'all cut', 'unreachable'],
    async setUp() {
      const directory = await mkdtemp(join(tmpdir(), 'dlock-chaos-store-'));
      const url = pathToFileURL(directory).href;
      return {
        url,
        directUrl: url,
        servers: [],
        proxies: [],
        gauges: async () => ({ files: (await listAll(directory)).length }),
        [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
      };
    },
  },
};

/** One cluster, behind a proxy for each of its nodes. */
export function etcdScene(nodes: readonly OwnServer[]): Promise<Scene> {
  return behindProxies(nodes, etcdUrl, etcdGauges);
}

/** Servers with a proxy before each. `urlOf` makes the store's URL from their ports. */
async function behindProxies(
  starting: readonly (OwnServer | Promise<OwnServer>)[],
  urlOf: (ports: number[]) => string,
  gaugesOf: (port: number) => Promise<Gauges>,
): Promise<Scene> {
  const servers = await Promise.all(starting);
  const ports = servers.map(({ port }) => port);
  const proxies = await Promise.all(ports.map((port) => startProxy(port)));
  return {
    url: urlOf(proxies.map(({ port }) => port)),
    directUrl: urlOf(ports),
    servers,
    proxies,
    gauges: async () => sum(await Promise.all(ports.map(gaugesOf))),
    async [Symbol.asyncDispose]() {
      await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function startPostgresWithTable(): Promise<OwnServer> {
  const server = await startPostgres();
  await query(server.url, postgresSchema());
  return server;
}

function postgresUrl([port]: number[]): string {
  return `postgres://postgres@127.0.0.1:${port}/postgres`;
}

async function postgresGauges(port: number): Promise<Gauges> {
  const [counted] = await query(
    postgresUrl([port]),
    `SELECT (SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL) AS clients, count(*) AS locks FROM dlock_locks`,
  );
  return { clients: Number(counted?.clients), keys: Number(counted?.locks) };
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

async function startMysqlWithTable(): Promise<OwnServer> {
  const server = await startMysql();
  await using connection = await createConnection(server.url);
  await connection.query('CREATE DATABASE chaos');
  await connection.query(mysqlSchema('chaos.dlock_locks'));
  return server;
}

function mysqlUrl([port]: number[]): string {
  return `mysql://root@127.0.0.1:${port}/chaos`;
}

async function mysqlGauges(port: number): Promise<Gauges> {
  await using connection = await createConnection(mysqlUrl([port]));
  const [[counted]] = await connection.query<RowDataPacket[]>(
    `SELECT (SELECT COUNT(*) FROM information_schema.processlist) AS clients, COUNT(*) AS locks FROM dlock_locks`,
  );
  return { clients: Number(counted?.clients), keys: Number(counted?.locks) };
}

/** One server, or a quorum of several. */
function redisUrl(ports: number[]): string {
  return ports.map((port) => `redis://127.0.0.1:${port}`).join();
}

async function redisGauges(port: number): Promise<Gauges> {
  const client = await createClient({ url: redisUrl([port]) }).connect();
  try {
    const clients = (await client.sendCommand(['CLIENT', 'LIST'])) as unknown as string;
    const channels = (await client.sendCommand(['PUBSUB', 'CHANNELS'])) as unknown as string[];
    return {
      clients: clients.trimEnd().split('\n').length,
      channels: channels.length,
      keys: await client.dbSize(),
    };
  } finally {
    client.destroy();
  }
}

/** One cluster, by the endpoints of all its nodes. */
function etcdUrl(ports: number[]): string {
  return `etcd://${ports.map((port) => `127.0.0.1:${port}`).join()}`;
}

/** Each node knows all of it. */
async function etcdGauges(port: number): Promise<Gauges> {
  const url = `http://127.0.0.1:${port}`;
  const { leases = [] } = await etcd.ask(url, 'lease/leases', {});
  return { keys: (await etcd.keysUnder(url, 'dlock:')).length, leases: leases.length };
}

async function memcacheGauges(port: number): Promise<Gauges> {
  const stats = (await ask(port, 'stats')) ?? '';
  const figure = (name: string) => Number(new RegExp(`STAT ${name} (\\d+)`).exec(stats)?.[1]);
  return { clients: figure('curr_connections'), keys: figure('curr_items') };
}

function sum(all: Gauges[]): Gauges {
  const total: Gauges = {};
  for (const gauges of all) {
    for (const [name, figure] of Object.entries(gauges)) total[name] = (total[name] ?? 0) + figure;
  }
  return total;
}
