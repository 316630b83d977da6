/** The files that TLS needs, as the parameters of a URL name them. */
import { readFileSync } from 'node:fs';
import { UsageError } from './arguments.js';
import { UnusableStore } from './client.js';
import { readParameters } from './url-parts.js';

/** Paths of PEM files, by the names that redis-cli and etcdctl have for them. */
export interface TlsFiles {
  /** Certificates of the authorities that are trusted, in place of those that Node.js trusts. */
  readonly cacert?: string;
  /** Our own certificate, for a server that asks for one, and its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** @param scheme of the URL, as messages name it. */
export function readTlsFiles(search: string, scheme: string): TlsFiles {
  const tls = readParameters(
    search,
    ['cacert', 'cert', 'key'],
    `the parameters of a ${scheme} URL are ?cacert=, ?cert= and ?key=, each with the path of a PEM file`,
  );
  const files = tlsFiles(tls.cacert, tls.cert, tls.key);
  if (!files)
    throw new UsageError(`the parameters cert and key of a ${scheme} URL need each other`);
  return files;
}

/** Undefined: a certificate of our own and its key need each other. */
export function tlsFiles(cacert?: string, cert?: string, key?: string): TlsFiles | undefined {
  if ((cert === undefined) !== (key === undefined)) return undefined;
  return { ...(cacert && { cacert }), ...(cert && { cert }), ...(key && { key }) };
}

/** The options of `tls.connect`, by what the files are. @throws UnusableStore. */
export function contentsOf({ cacert, cert, key }: TlsFiles) {
  try {
    return {
      ...(cacert && { ca: readFileSync(cacert) }),
      ...(cert && { cert: readFileSync(cert) }),
      ...(key && { key: readFileSync(key) }),
    };
  } catch (error) {
    throw new UnusableStore((error as Error).message);
  }
}
