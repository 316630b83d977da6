/** etcd: a cluster, by the hosts of its nodes. */
import { EtcdStore } from '../stores/etcd/etcd.js';
import { UsageError } from './arguments.js';
import { hostAndPort, hostsAndPorts, identitiesOfHosts } from './hosts.js';
import type { Kind, Place } from './place.js';
import { contentsOf, readTlsFiles } from './tls-files.js';
import { readTopology } from './url-parts.js';

export const etcd: Kind = { schemes: ['etcd://', 'etcds://'], read };

function read(url: string): Place {
  const isSecure = /^etcds:/i.test(url);
  const { nodes, credentials, rest = '' } = readTopology(url, 2_379) ?? {};
  const [, search] = /^\/?(\?.*)?$/.exec(rest) ?? [undefined, null];
  const { username, password } = credentials ?? {};
  const hasHalf = (username === undefined) !== (password === undefined);
  if (!nodes || hasHalf || search === null || (search && !isSecure)) {
    throw new UsageError(
      'the URL of etcd is etcd://[user:password@]host[:port][,host[:port]...], or etcds:// for TLS',
    );
  }
  const files = readTlsFiles(search ?? '', 'etcds://');
  const scheme = isSecure ? 'https' : 'http';
  const endpoints = nodes.map((node) => `${scheme}://${hostAndPort(node)}`);
  const login = username === undefined ? {} : { user: username, password };
  return {
    name: `${isSecure ? 'etcds' : 'etcd'}://${hostsAndPorts(nodes)}`,
    identities: () => identitiesOfHosts(nodes),
    check: (options) => void new EtcdStore(endpoints, options),
    connects: false,
    shares: false,
    load: async () => async (options) =>
      new EtcdStore(endpoints, {
        ...options,
        ...login,
        ...(isSecure && { tls: contentsOf(files) }),
      }),
  };
}
