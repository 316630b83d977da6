/** The servers of a run: its own, as processes of this machine, whatever else could be had. */
import { provide } from '../tests/support/servers/install.js';
import { memcached, redis, type ServerKind } from '../tests/support/servers/kinds.js';
import { startProcess } from '../tests/support/servers/processes.js';
import type { OwnServer } from '../tests/support/servers.js';

export const startRedis = () => start(redis);
export const startMemcached = () => start(memcached);

async function start(kind: ServerKind): Promise<OwnServer> {
  await provide(kind);
  return startProcess(kind, []);
}
