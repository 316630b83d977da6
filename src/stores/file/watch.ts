/** Watches the directory of a lock of a `FileStore`, which may be removed and made again meanwhile. */
import { type FSWatcher, watch } from 'node:fs';
import { basename } from 'node:path';
import { clock } from '../../base/clock.js';
import { isList } from './holders.js';

/** How long to wait between attempts to watch a directory that was removed, in milliseconds. */
const reopening = 500;

/**
 * Calls `wake` when something changes in the directory, as far as the system reports it, and goes on
 * with the directory that takes its place once it is removed.
 *
 * @throws what the system throws if the directory cannot be watched now.
 */
export function watchDirectory(path: string, wake: () => void): AsyncDisposable {
  let watcher: FSWatcher;
  let timer: unknown;
  const open = () => {
    watcher = watch(path, { persistent: false }, (_, file) => {
      // A list of holders counts once the state names it.
      if (file && isList(file)) return;
      // An event in the name of the directory itself: no file in it is named like that.
      if (file === basename(path)) reopenLater();
      wake();
    }).on('error', reopenLater);
  };
  const close = () => {
    clock.clearTimer(timer);
    watcher.close();
  };
  const reopenLater = () => {
    close();
    timer = clock.setIdleTimer(reopen, reopening);
  };
  const reopen = () => {
    try {
      open();
    } catch {
      return reopenLater();
    }
    // What happened before went unnoticed.
    wake();
  };
  open();
  return { [Symbol.asyncDispose]: async () => close() };
}
