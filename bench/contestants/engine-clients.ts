/** The clients of the engines, each a pool that is large enough to carry what is asked at once. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createPool } from 'mysql2/promise';
import pg from 'pg';

/** The default of both pools. */
const connections = 10;

export function openPg(port: number | undefined) {
  const connectionString = `postgres://postgres@127.0.0.1:${port}/postgres`;
  return new pg.Pool({ connectionString, max: connections });
}

export function openMysql(port: number | undefined) {
  return createPool({
    uri: `mysql://root@127.0.0.1:${port}/dlock_bench`,
    connectionLimit: connections,
  });
}

type Json = Record<string, unknown>;

export interface Etcd {
  ask(path: string, body: Json): Promise<Json>;
  close(): void;
}

export function openEtcd(port: number | undefined): Etcd {
  const agent = new Agent({ keepAlive: true });
  const headers = { 'Content-Type': 'application/json' };
  const ask = (path: string, body: Json) =>
    new Promise<Json>((resolve, reject) => {
      const url = `http://127.0.0.1:${port}/v3/${path}`;
      const sent = request(url, { method: 'POST', agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${path}: ${text}`));
        });
      });
      sent.on('error', reject);
      sent.end(JSON.stringify(body));
    });
  return { ask, close: () => agent.destroy() };
}

/** Notifications of the server. */
interface News {
  /** Resolves with the next one. */
  next(): Promise<unknown>;
  close(): unknown;
}

export async function openPgNews(port: number | undefined, channel: string): Promise<News> {
  const client = new pg.Client(`postgres://postgres@127.0.0.1:${port}/postgres`);
  await client.connect();
  await client.query(`LISTEN ${channel}`);
  return { next: () => once(client, 'notification'), close: () => client.end() };
}

/** @param key in base64. */
export async function openEtcdNews(port: number | undefined, key: string): Promise<News> {
  const sent = request(`http://127.0.0.1:${port}/v3/watch`, { method: 'POST', agent: false });
  sent.end(JSON.stringify({ create_request: { key } }));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  await once(response, 'data');
  return { next: () => once(response, 'data'), close: () => sent.destroy() };
}
