/**
 * This library on the servers that keep what they know on disk; and beside it the bare clients, with the
 * statements that its stores send for a free lock, prepared as they are there. What is between the two is
 * the price of the library.
 */
import { createHash, randomUUID } from 'node:crypto';
import { EtcdStore } from 'dlock-js/etcd';
import { MysqlStore } from 'dlock-js/mysql';
import { PostgresStore } from 'dlock-js/postgres';
import { Statements } from '../../src/stores/mysql/statements.js';
import { acquire, release } from '../../src/stores/postgres/statements.js';
import { type Addresses, type Contestant, plain, type Session, ttl } from './contestant.js';
import { session } from './dlock.js';

/** Not imported above: every worker would load them all. */
const clients = () => import('./engine-clients.js');

const timeout = 5_000;
const reason = 'a bare client';
const bare = {
  lacks: { waiting: reason, processes: reason, renewal: reason, telling: reason, ...plain },
  key: (name: string) => name,
};
const dlock = {
  settings: 'all defaults (ttl 30 s, renewed)',
  lacks: {},
  key: (name: string) => `dlock:${name}`,
};

export const engines: readonly Contestant[] = [
  {
    ...dlock,
    name: 'dlock-js, pg',
    packages: ['dlock-js', 'pg'],
    server: 'postgres',
    limit: 'raw, pg',
    async open({ postgres }) {
      const pool = (await clients()).openPg(postgres);
      return session(new PostgresStore(pool), () => pool.end());
    },
  },
  {
    ...bare,
    name: 'raw, pg',
    settings: 'the two statements of the store, prepared',
    packages: ['pg'],
    server: 'postgres',
    open: openRawPg,
  },
  {
    ...dlock,
    name: 'dlock-js, mysql2',
    packages: ['dlock-js', 'mysql2'],
    server: 'mysql',
    limit: 'raw, mysql2',
    async open({ mysql }) {
      const pool = (await clients()).openMysql(mysql);
      return session(new MysqlStore(pool), () => pool.end());
    },
  },
  {
    ...bare,
    name: 'raw, mysql2',
    settings: 'the two statements of the store',
    packages: ['mysql2'],
    server: 'mysql',
    open: openRawMysql,
  },
  {
    ...dlock,
    name: 'dlock-js, etcd',
    packages: ['dlock-js'],
    server: 'etcd',
    limit: 'raw, etcd',
    async open({ etcd }) {
      return session(new EtcdStore(`http://127.0.0.1:${etcd}`), () => {});
    },
  },
  {
    ...bare,
    name: 'raw, etcd',
    settings: 'the requests of the store to the JSON gateway, by node:http',
    packages: [],
    server: 'etcd',
    open: openRawEtcd,
  },
];

async function openRawPg({ postgres }: Addresses): Promise<Session> {
  const pool = (await clients()).openPg(postgres);
  const take = { name: 'take', text: acquire('"dlock_locks"') };
  const giveBack = { name: 'give back', text: release('"dlock_locks"') };
  return rawSession({
    async cycle(name) {
      const [key, token] = [digest(name), randomUUID()];
      const taken = await pool.query({ ...take, values: [key, name, token, ttl, timeout] });
      if (taken.rows[0]?.token !== token) throw new Error(`${name} is taken`);
      await pool.query({ ...giveBack, values: [key, token, 'dlock_locks', timeout] });
    },
    close: () => pool.end(),
  });
}

async function openRawMysql({ mysql }: Addresses): Promise<Session> {
  const pool = (await clients()).openMysql(mysql);
  const statements = new Statements('dlock_locks', timeout);
  return rawSession({
    async cycle(name) {
      const [key, token] = [digest(name), digest(randomUUID())];
      const take = statements.acquire(key, token, ttl);
      await pool.query(take.text, take.values);
      const giveBack = statements.release(key, token);
      await pool.query(giveBack.text, giveBack.values);
    },
    close: () => pool.end(),
  });
}

async function openRawEtcd({ etcd }: Addresses): Promise<Session> {
  const { ask, close } = (await clients()).openEtcd(etcd);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return rawSession({
    async cycle(name) {
      const [key, place, value] = [base64(name), base64(`${name} place`), base64(randomUUID())];
      const { ID } = await ask('lease/grant', { TTL: `${ttl / 1_000}` });
      const taken = await ask('kv/txn', {
        compare: [{ key, target: 'MOD', mod_revision: 0 }],
        success: [
          { request_put: { key, value, lease: ID, prev_kv: true } },
          { request_delete_range: { key: place, prev_kv: true } },
        ],
        failure: [{ request_range: { key } }],
      });
      if (!taken.succeeded) throw new Error(`${name} is taken`);
      await ask('kv/txn', {
        compare: [{ key, target: 'VALUE', value }],
        success: [{ request_delete_range: { key, prev_kv: true } }],
      });
      setTimeout(() => void ask('lease/revoke', { ID }).catch(() => {}), 50);
    },
    close,
  });
}

function rawSession({ cycle, close }: Pick<Session, 'cycle'> & { close(): unknown }): Session {
  const refuse = () => Promise.reject(new Error(reason));
  return { cycle, section: refuse, hold: refuse, close: async () => void (await close()) };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
