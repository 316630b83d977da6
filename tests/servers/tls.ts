/** A Redis that speaks TLS, with a certificate made for the test, as a process of this machine. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { remove, temporaryDirectory } from './directories.js';
import { provide } from './install.js';
import { redis } from './kinds.js';
import { onFreePort } from './ports.js';
import { startProcess } from './processes.js';

export interface TlsRedis extends AsyncDisposable {
  readonly url: string;
  /** The server's own certificate, which nobody else has signed. */
  readonly certificate: string;
  stop(): Promise<void>;
}

/** Insists on redis-server (built with TLS, as Debian's is) and openssl, or installs them as root. */
export async function startTlsRedis(): Promise<TlsRedis> {
  await provide(redis);
  await provide({ program: 'openssl', debianPackage: 'openssl' });
  const directory = temporaryDirectory();
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1';
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', certificate];
  await execa('openssl', ['req', ...request.split(' '), ...subject, ...files]);
  const identity = ['--tls-cert-file', certificate, '--tls-key-file', key];
  return onFreePort(async (port) => {
    const tls = ['--tls-port', `${port}`, ...identity, '--tls-auth-clients', 'no'];
    const server = await startProcess(redis, [...tls, '--dir', directory]);
    const stop = async () => {
      await server.stop();
      remove(directory);
    };
    return {
      url: `rediss://localhost:${port}`,
      certificate: await readFile(certificate, 'utf8'),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}
