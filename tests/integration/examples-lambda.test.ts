/** The example of AWS Lambda does what it says, on processes that are stopped and go on as Lambda's machines do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { createClient } from 'redis';
import { eventually } from '../../src/testing/fixture.js';
import { startRedis } from '../support/servers.js';
import { forkWorker } from '../support/workers.js';

// Its own, since the connections of all its clients are ended.
const server = await startRedis();
const redisUrl = server.url;
const client = await createClient({ url: redisUrl }).connect();
after(async () => {
  client.destroy();
  await server.stop();
});
const imported = (time: string) => client.get(`orders ${time}`);

/** Where the orders come from: who asks is answered at once, or when the test says so. */
let prompt: string | undefined;
const asked: ServerResponse[] = [];
const orders = createServer((_request, response) => {
  if (prompt !== undefined) response.end(prompt);
  else asked.push(response);
}).listen(0, '127.0.0.1');
await once(orders, 'listening');
after(() => {
  orders.close();
  orders.closeAllConnections();
});

async function startMachine() {
  const { port } = orders.address() as AddressInfo;
  const ordersUrl = `http://127.0.0.1:${port}/orders`;
  const env = { ...process.env, REDIS_URL: redisUrl, ORDERS_URL: ordersUrl };
  const file = new URL('workers/lambda-machine.ts', import.meta.url);
  // It tells on stderr that its connection was lost.
  const machine = forkWorker(file, [], { env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  after(() => machine.kill('SIGKILL'));
  await once(machine, 'message');
  return {
    /** @param limit of the function, in milliseconds. */
    async call(time: string, limit = 60_000): Promise<string> {
      machine.send({ time, limit });
      const [answer] = await once(machine, 'message');
      return answer;
    },
    freeze: () => machine.kill('SIGSTOP'),
    thaw: () => machine.kill('SIGCONT'),
  };
}

const isAsked = () => eventually('it asks for the orders', () => asked.length === 1, 30_000);

test('an hour is imported once, and a freeze between two calls keeps nobody waiting', async () => {
  const [one, two] = await Promise.all([startMachine(), startMachine()]);
  const first = one.call('2026-11-24T05:00:00Z');
  await isAsked();
  assert.equal(await two.call('2026-11-24T05:00:00Z'), 'held');
  asked.shift()?.end('of five');
  assert.equal(await first, 'imported');

  one.freeze();
  prompt = 'of six';
  assert.equal(await two.call('2026-11-24T05:00:00Z'), 'done');
  assert.equal(await two.call('2026-11-24T06:00:00Z'), 'imported');
  // Its connection has not outlived the freeze.
  await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
  one.thaw();
  prompt = 'of seven';
  assert.equal(await one.call('2026-11-24T07:00:00Z'), 'imported');
  prompt = undefined;
  assert.equal(await imported('2026-11-24T05:00:00Z'), 'of five');
  assert.equal(await imported('2026-11-24T06:00:00Z'), 'of six');
  assert.equal(await imported('2026-11-24T07:00:00Z'), 'of seven');
});

test('one that is frozen in the middle of a call writes nothing when it is thawed', async () => {
  const time = '2026-11-24T08:00:00Z';
  const [one, two] = await Promise.all([startMachine(), startMachine()]);
  const frozen = one.call(time, 4_000);
  await isAsked();
  one.freeze();
  prompt = 'by the second';
  const takesOver = async () => (await two.call(time)) === 'imported';
  await eventually('another machine takes over', takesOver, 30_000);
  prompt = undefined;
  asked.shift()?.end('by the first');
  one.thaw();
  assert.match(await frozen, /^(LeaseLostError|TimeoutError)$/);
  assert.equal(await imported(time), 'by the second');
});
