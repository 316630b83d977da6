/** What the store grants to a dlock that a signal has just ended is given back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'redis';
import { dlock } from '../support/command.js';
import { startFaultyProxy } from '../support/proxy/faulty.js';
import { resp } from '../support/proxy/resp.js';
import { startRedis } from '../support/servers.js';

test('a signal comes before the reply that grants the lock: the lock is free again', async () => {
  await using server = await startRedis();
  await using proxy = await startFaultyProxy(server.port, resp);
  const client = await createClient({ url: server.url }).connect();
  const store = `redis://127.0.0.1:${proxy.ports[0]}`;

  /** How many locks are left behind. */
  const interrupt = async (name: string): Promise<number> => {
    const holding = proxy.holdReply(resp.acquire);
    const waiter = dlock(['-v', '--wait', 'forever', name, '--', 'true'], { store });
    const held = await holding;
    const interrupted = new Promise<void>((resolve) => {
      waiter.stderr?.on('data', (text) => {
        if (/interrupted by SIGTERM/.test(text)) resolve();
      });
    });
    waiter.kill('SIGTERM');
    await interrupted;
    assert.equal(await client.exists(`dlock:${name}`), 1, 'the store has granted it');
    held.letGo();
    assert.equal((await waiter).signal, 'SIGTERM');
    return client.exists(`dlock:${name}`);
  };

  // dlock gives the store half a second, which on a busy machine the test itself may take.
  const left: number[] = [];
  while (left.length < 3 && !left.includes(0)) left.push(await interrupt(`job ${left.length}`));
  client.destroy();
  assert.ok(left.includes(0), `each of ${left.length} locks was left behind`);
});
