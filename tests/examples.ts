/**
 * What the examples of README and docs take for granted: a store, a job, and servers at the usual
 * ports, which lead to those of the tests here.
 */
import net from 'node:net';
import type { LockStore } from '../src/store.js';
import { MemoryStore } from '../src/stores/memory.js';

declare global {
  var store: LockStore;
  var runImport: (signal: AbortSignal) => Promise<void>;
}

globalThis.store = new MemoryStore();
globalThis.runImport = async (signal) => signal.throwIfAborted();

const redises = (process.env.DLOCK_EXAMPLES_REDIS ?? 'redis://127.0.0.1:6379').split(',');
const ports = new Map([
  ...redises.map((url, index) => [6379 + index, new URL(url).port] as const),
  [11211, process.env.DLOCK_EXAMPLES_MEMCACHED?.split(':')[1] ?? '11211'],
]);

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
  const [first] = args.flat() as [{ port?: number }];
  const port = ports.get(Number(first?.port));
  if (port) first.port = Number(port);
  return (connect as (...args: unknown[]) => net.Socket).apply(this, args);
} as typeof connect;
