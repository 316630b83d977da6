/** The command once per period, in many processes, on each kind of store. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dlock, fileStore, fresh, lines } from '../support/command.js';
import { sharedMemcached, sharedRedis } from '../support/servers.js';

describe('once per period', { concurrency: 3 }, () => {
  const stores: Record<string, () => Promise<string>> = {
    file: async () => fileStore(),
    redis: sharedRedis,
    memcached: async () => `memcache://${await sharedMemcached()}`,
  };
  const crowd = (args: string[], script: string, store: string) =>
    Promise.all(
      Array.from({ length: 6 }, () =>
        dlock([...args, '--', 'sh', '-c', script], { store }).then(({ exitCode }) => exitCode),
      ),
    );

  for (const [kind, open] of Object.entries(stores)) {
    test(`${kind}: of 6 processes started together, one runs in each period`, async () => {
      const store = await open();
      const job = `${kind}-${process.pid}`;
      for (let hour = 10; hour < 12; hour++) {
        const runs = fresh('runs');
        const once = ['--once', `2026-11-24T${hour}`, job];
        const codes = await crowd(once, `echo >> ${runs}`, store);
        assert.equal((await lines(runs)).length, 1);
        assert.ok(
          codes.every((code) => code === 0 || code === 75),
          String(codes),
        );
        assert.ok(codes.includes(0));
      }
    });

    test(`${kind}: also when the first runner is killed half-way`, async () => {
      const store = await open();
      const runs = fresh('runs');
      const first = fresh('first');
      const script = `if mkdir ${first} 2>/dev/null; then kill -9 $PPID; exit 1; fi; echo >> ${runs}`;
      const options = ['--ttl', '8s', '--wait', '5m', '--retain', '5m'];
      const once = [...options, '--once', '2026-11-24T09', `${kind}-killed-${process.pid}`];
      const codes = await crowd(once, script, store);
      assert.equal((await lines(runs)).length, 1, String(codes));
      assert.equal(codes.filter((code) => code === 0).length, 5, String(codes));
      assert.equal(codes.filter((code) => code === undefined).length, 1);
    });
  }
});
