/** The proxy itself: a fault that is not there would be a test that cannot fail. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../src/testing/fixture.js';
import { counter, startCountingProxy } from '../support/proxy/counting.js';
import { memcached } from '../support/proxy/memcached.js';
import { any, nth, type Protocol, type Words } from '../support/proxy/protocol.js';
import { resp } from '../support/proxy/resp.js';
import { sharedRedis } from '../support/servers.js';
import { type StoreKind, setTheScene, singleServers } from './kinds.js';

const token = 'a'.repeat(32);

describe('the framing of commands', () => {
  const redis = '*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$4\r\n*1\r\n\r\n$2\r\né\r\n';
  const text = 'gets a\r\nadd b 0 9 6\r\nget x\n\r\ncas b 0 -1 0 7\r\n\r\n';

  /** The words of all commands, however the bytes are cut into pieces. */
  function commandsOf(protocol: Protocol, text: string, size: number): Words[] {
    const found: Words[] = [];
    let rest = Buffer.alloc(0);
    for (let start = 0; start < text.length; start += size) {
      rest = Buffer.concat([rest, Buffer.from(text.slice(start, start + size))]);
      let command = protocol.readCommand(rest);
      for (; command; command = protocol.readCommand(rest)) {
        found.push(command.words);
        rest = rest.subarray(command.end);
      }
    }
    return found;
  }

  for (const size of [1, 2, 7, 1_000]) {
    test(`is found in pieces of ${size}`, () => {
      assert.deepEqual(commandsOf(resp, redis, size), [['PING'], ['SET', '*1\r\n', 'é']]);
      assert.deepEqual(commandsOf(memcached, text, size), [
        ['gets', 'a'],
        ['add', 'b', '0', '9', '6', 'get x\n'],
        ['cas', 'b', '0', '-1', '0', '7', ''],
      ]);
    });

    test(`counts as many in pieces of ${size}`, () => {
      for (const [protocol, whole, commands] of [
        [resp, redis, 2],
        [memcached, text, 3],
      ] as const) {
        const count = counter(protocol);
        const bytes = Buffer.from(whole);
        let counted = 0;
        for (let start = 0; start < bytes.length; start += size) {
          counted += count(bytes.subarray(start, start + size));
        }
        assert.equal(counted, commands);
      }
    });
  }
});

test('without traps, it passes on and counts what comes, and cuts one connection or all', async () => {
  const { port } = new URL(await sharedRedis());
  await using proxy = await startCountingProxy(Number(port), resp);
  const connectTwo = () =>
    Promise.all(
      [1, 2].map(async () => {
        const socket = connect(proxy.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write('*1\r\n$4\r\nPING\r\n');
        const [answer] = await once(socket, 'data');
        assert.equal(String(answer), '+PONG\r\n');
        return socket;
      }),
    );
  const open = (sockets: Socket[]) => sockets.filter(({ closed }) => !closed).length;

  const two = await connectTwo();
  assert.equal(proxy.commands, 2);
  proxy.cutOne();
  await eventually('one is cut', () => open(two) < 2);
  two.push(...(await connectTwo()));
  assert.equal(proxy.commands, 4);
  assert.equal(open(two), 3);
  proxy.cut();
  await eventually('all are cut', () => open(two) === 0);
});

test('replies are told from messages, and one value from many', () => {
  const ends = (protocol: Protocol, text: string, words?: Words) =>
    protocol.readReply(Buffer.from(text), words);
  assert.deepEqual(ends(resp, ':1\r\n+OK\r\n'), { end: 4, unasked: false });
  assert.deepEqual(ends(resp, '*2\r\n$-1\r\n*1\r\n$1\r\na\r\n'), { end: 20, unasked: false });
  assert.deepEqual(ends(resp, '%1\r\n+a\r\n#t\r\n'), { end: 12, unasked: false });
  assert.equal(ends(resp, '*2\r\n$-1\r\n*1\r\n$1\r\na\r'), undefined);
  const message = '>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n';
  assert.deepEqual(ends(resp, message), { end: message.length, unasked: true });
  const item = 'VALUE a 0 5 1\r\nEND\r\n\r\nEND\r\n';
  assert.deepEqual(ends(memcached, item, ['gets', 'a']), { end: item.length, unasked: false });
  assert.equal(ends(memcached, item.slice(0, -6), ['gets', 'a']), undefined);
  assert.deepEqual(ends(memcached, 'SERVER_ERROR\r\n', ['gets', 'a'])?.end, 14);
});

/** Whether a connection lasts until it is ended from here. */
async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'close', { signal: AbortSignal.timeout(100) });
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

// A client that sends again by itself would hide what became of the first time.
for (const kind of singleServers.filter(({ resends }) => !resends)) {
  describe(`${kind.name}: the proxy`, () => testFaults(kind));
}

function testFaults(kind: StoreKind): void {
  const { name, protocol, open } = kind;
  const { acquire, extend, release } = protocol;
  const scene = setTheScene(kind);
  const isTaken = (lock: string) => scene.direct.extend(lock, token, 60_000);

  test('knows the commands of a lock, and passes them on', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports);
    const before = proxy.replies;
    await mine.store.acquire('plain', token, 60_000);
    await mine.store.extend('plain', token, 60_000);
    assert.equal(await mine.store.release('plain', token), true);
    const counts = [acquire, extend, release].map((matches) => proxy.count(matches));
    assert.deepEqual(counts, [1, 1, 1]);
    assert.equal(proxy.replies - before, name === 'memcache' ? 5 : 3);
  });

  test('cuts before the command is carried out', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports);
    const cut = proxy.cutBefore(acquire);
    await assert.rejects(mine.store.acquire('cut', token, 60_000));
    await cut;
    assert.equal(await isTaken('cut'), false);
  });

  test('drops the reply of the nth command that was carried out', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports);
    const dropped = proxy.dropReply(nth(2, acquire));
    await mine.store.acquire('first', token, 60_000);
    await assert.rejects(mine.store.acquire('second', token, 60_000));
    await dropped;
    assert.equal(await isTaken('second'), true);
  });

  test('holds a command, and lets it go though the client has gone', async () => {
    await using proxy = await scene.startProxy();
    const mine = await open(proxy.ports);
    const holding = proxy.hold(acquire);
    const lost = assert.rejects(mine.store.acquire('held', token, 60_000));
    const held = await holding;
    await mine[Symbol.asyncDispose]();
    await lost;
    assert.equal(await isTaken('held'), false);
    held.letGo();
    await eventually('it arrives', () => isTaken('held'));
  });

  test('holds a reply', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports);
    const holding = proxy.holdReply(acquire);
    let answered = false;
    const answer = mine.store.acquire('reply', token, 60_000).then(() => (answered = true));
    const held = await holding;
    assert.equal(await isTaken('reply'), true);
    assert.equal(answered, false);
    held.letGo();
    await answer;
  });

  test('delays, freezes either way and thaws; what was sent arrives', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports);
    await mine.store.acquire('warm', token, 60_000);
    proxy.delay('replies', 100);
    const start = performance.now();
    await mine.store.acquire('late', token, 60_000);
    assert.ok(performance.now() - start >= 99);
    proxy.delay('replies', 0);

    for (const direction of ['commands', 'replies'] as const) {
      let answered = false;
      proxy.freeze(direction);
      const answer = mine.store.acquire(direction, token, 60_000).then(() => (answered = true));
      if (direction === 'commands') await delay(50);
      else await eventually('it is carried out', () => isTaken(direction));
      assert.equal(await isTaken(direction), direction === 'replies');
      assert.equal(answered, false);
      proxy.thaw();
      await answer;
    }
  });

  test('ends connections, and refuses new ones for a while', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { timeout: 500 });
    await mine.store.acquire('warm', token, 60_000);
    const holding = proxy.holdReply(any);
    const lost = assert.rejects(mine.store.acquire('lost', token, 60_000));
    await holding;
    proxy.refuse();
    await lost;
    assert.equal(await isOpen(proxy.ports[0]), false);
    proxy.accept();
    await eventually('the client has connected again', () =>
      mine.store.acquire('again', token, 60_000).then(
        () => true,
        () => false,
      ),
    );
  });
}
