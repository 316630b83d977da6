/** Where locks live if no store is named. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { shown } from '../base/shown.js';
import { UnusableStore } from './client.js';

/**
 * One directory for all that a user runs, in a shell, from cron or as a service. So it must not
 * depend on the environment (HOME, TMPDIR, XDG_RUNTIME_DIR), nor on whether the home directory can
 * be used at the moment: two runs in two directories would not exclude each other. A user for whom
 * the system's list names no home, as is usual for users of services, has a directory in /tmp.
 *
 * @param listedHome the home that the system's list of users names; undefined: it has no such user.
 * @throws UnusableStore where the list names a home that cannot be used.
 */
export function userDirectory(listedHome = homeInList()): string {
  const user = process.getuid?.();
  if (!listedHome || listedHome === '/nonexistent') return `/tmp/dlock-${user}`;
  const directory = join(listedHome, '.local', 'state', 'dlock');
  const trouble = troubleWith(listedHome, directory, user);
  if (trouble === undefined) return directory;
  throw new UnusableStore(`${trouble}; name a place for the locks with --store or DLOCK_STORE`);
}

function homeInList(): string | undefined {
  try {
    return userInfo().homedir;
  } catch (error) {
    const { info } = error as { info?: { code?: string } };
    if (info?.code === 'ENOENT') return undefined;
    throw new UnusableStore(`the list of users cannot be read: ${(error as Error).message}`);
  }
}

/** Why the directory in that home cannot be used, which is made if it is not there; undefined: it can. */
function troubleWith(home: string, directory: string, user = -1): string | undefined {
  if (!isAbsolute(home)) return `the home directory ${shown(home)} is no whole path`;
  try {
    const { uid } = statSync(home);
    if (user >= 0 && uid !== user) return `the home directory ${home} belongs to user ${uid}`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
