/** Where servers listen: how messages name a host, and when two hosts, or two paths, are the same. */
import { statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Host {
  readonly host: string;
  readonly port: number;
}

/** A Unix domain socket. */
export interface Socket {
  readonly path: string;
}

export function hostAndPort({ host, port }: Host): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function hostsAndPorts(hosts: readonly Host[]): string {
  return hosts.map(hostAndPort).join();
}

/** All that leads to this machine itself, wherever on it the server listens. */
const loopback = /^(localhost|ip6-localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|\[::ffff:7f00:1\])$/;

/** What other names the same host has, only its DNS knows. */
export function identityOfHost({ host, port }: Host): string {
  // As a host of HTTP, a name is written in lower case, and an address in its one normal form.
  const url = `http://${hostAndPort({ host, port })}`;
  const normal = URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, '') : host;
  return `${loopback.test(normal) ? 'localhost' : normal}:${port}`;
}

export function identitiesOfHosts(hosts: readonly Host[]): string[] {
  return [...new Set(hosts.map(identityOfHost))];
}

export function identityOf(address: Host | Socket): string {
  return 'path' in address ? identityOfFile(address.path) : identityOfHost(address);
}

/** Of what is not there yet: the nearest directory above it that is, and the rest of the path. */
export function identityOfFile(path: string): string {
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      const { dev, ino } = statSync(existing);
      return join(`${dev}:${ino}`, relative(existing, path));
    } catch (error) {
      if (existing === dirname(existing)) throw error;
    }
  }
}
