/**
 * Takes, extends and releases a lock of a FileStore, reporting each answer, but stops itself, or
 * dies, before the nth call to the file system. Arguments: directory, n, signal.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [directory = '', nth = '', signal = ''] = process.argv.slice(2);
const report = (message: unknown) =>
  new Promise<void>((resolve) => process.send?.(message, () => resolve()));

let calls = 0;
const operations = ['lstat', 'mkdir', 'readdir', 'rename', 'rm', 'writeFile'] as const;
for (const operation of operations) {
  const real = fs[operation] as (...args: unknown[]) => Promise<unknown>;
  const replacement = async (...args: unknown[]) => {
    if (calls++ === Number(nth)) {
      await report({ stopsBefore: operation });
      process.kill(process.pid, signal);
    }
    return real(...args);
  };
  Object.assign(fs, { [operation]: replacement });
}
syncBuiltinESMExports();

const { FileStore } = await import('dlock-js/file');
const store = new FileStore(directory);
const token = 'a'.repeat(32);
await report({ acquired: (await store.acquire('import', token, 300)).granted });
await report({ extended: await store.extend('import', token, 300) });
await report({ released: await store.release('import', token) });
await report({ calls });
process.disconnect();
