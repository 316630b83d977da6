/**
 * Takes, extends and releases a lock of a FileStore, alone or beside others, or sweeps its directory,
 * reporting each answer,
 * but stops itself, or dies, before the nth call to the file system. Arguments: directory, n,
 * signal, `take`, `share` or `sweep`.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [directory = '', nth = '', signal = '', work = ''] = process.argv.slice(2);
const report = (message: unknown) =>
  new Promise<void>((resolve) => process.send?.(message, () => resolve()));

let calls = 0;
type Operation = (...args: unknown[]) => Promise<unknown>;
const operations = ['lstat', 'mkdir', 'opendir', 'readdir', 'rename', 'rm', 'rmdir', 'unlink'];
for (const operation of [...operations, 'readFile', 'writeFile'] as (keyof typeof fs)[]) {
  const real = fs[operation] as Operation;
  const replacement: Operation = async (...args) => {
    // Only a sweep lists the whole directory: there is none in the background of what is counted.
    if (operation === 'opendir' && work !== 'sweep') throw new Error('no sweep here');
    if (calls++ === Number(nth)) {
      await report({ stopsBefore: operation });
      process.kill(process.pid, signal);
    }
    return real(...args);
  };
  Object.assign(fs, { [operation]: replacement });
}
syncBuiltinESMExports();

if (work === 'sweep') {
  const { sweep } = await import('../../../src/stores/file/sweep.js');
  await sweep(directory);
} else {
  const { FileStore } = await import('dlock-js/file');
  const store = new FileStore(directory);
  const token = 'a'.repeat(32);
  const { granted } =
    work === 'share'
      ? await store.acquireShared('import', token, 300, 2)
      : await store.acquire('import', token, 300);
  await report({ acquired: granted, callsToAcquire: calls });
  await report({ extended: await store.extend('import', token, 300) });
  await report({ released: await store.release('import', token) });
}
await report({ calls });
process.disconnect();
