/** A Redis that speaks TLS, with a certificate made for the test, as a process of this machine. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { remove as removeDirectory, temporaryDirectory } from './directories.js';
import { provide } from './install.js';
import { redis } from './kinds.js';
import { onFreePort } from './ports.js';
import { startProcess } from './processes.js';

export interface TlsRedis extends AsyncDisposable {
  readonly url: string;
  /** The server's own certificate, which nobody else has signed. */
  readonly certificate: string;
  /** Where the certificate and its key are, as PEM. */
  readonly files: { readonly certificate: string; readonly key: string };
  stop(): Promise<void>;
}

/**
 * Insists on redis-server (built with TLS, as Debian's is) and openssl, or installs them as root.
 *
 * @param clients whether a client needs a certificate, for which the server's own will do.
 */
export async function startTlsRedis(clients: 'any' | 'certified' = 'any'): Promise<TlsRedis> {
  await provide(redis);
  const { certificate, files, directory, remove } = await selfSigned();
  const identity = ['--tls-cert-file', files.certificate, '--tls-key-file', files.key];
  return onFreePort(async (port) => {
    const authority = ['--tls-ca-cert-file', files.certificate];
    const auth = ['--tls-auth-clients', clients === 'certified' ? 'yes' : 'no'];
    const tls = ['--tls-port', `${port}`, ...identity, ...authority, ...auth];
    const server = await startProcess(redis, [...tls, '--dir', directory]);
    const stop = async () => {
      await server.stop();
      remove();
    };
    return {
      url: `rediss://localhost:${port}`,
      certificate,
      files,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}

/** A certificate for `localhost` that nobody else has signed, and its key, in a directory of their own. */
export async function selfSigned() {
  await provide({ program: 'openssl', debianPackage: 'openssl' });
  const directory = temporaryDirectory();
  const files = {
    certificate: join(directory, 'certificate.pem'),
    key: join(directory, 'key.pem'),
  };
  const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1';
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const out = ['-keyout', files.key, '-out', files.certificate];
  await execa('openssl', ['req', ...request.split(' '), ...subject, ...out]);
  const certificate = await readFile(files.certificate, 'utf8');
  return { certificate, files, directory, remove: () => removeDirectory(directory) };
}
