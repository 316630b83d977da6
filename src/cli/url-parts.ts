/** What the URLs of all servers have in common: how their parts are read, and when they are refused. */
import { UsageError } from './arguments.js';
import type { Host } from './hosts.js';

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/** @throws UsageError, also if the beginning of a password would be taken for the host, and shown. */
export function parseUrl(url: string): URL {
  const parsed = parseUrlWithParameters(url);
  if (parsed.search) throw misplaced();
  return parsed;
}

/** The same for a URL that may have parameters; see {@link readParameters}. */
export function parseUrlWithParameters(url: string): URL {
  if (/^[./~]/.test(url)) {
    throw new UsageError('the store is not a URL; that of a directory is file:///var/lib/dlock');
  }
  if (!URL.canParse(url)) {
    throw new UsageError(
      'the URL of the store is invalid; if it holds a password, is that percent-encoded?',
    );
  }
  const parsed = new URL(url);
  const { pathname, search, hash } = parsed;
  if (hash || `${pathname}${search}`.includes('@')) throw misplaced();
  return parsed;
}

function misplaced(): UsageError {
  return new UsageError(
    'the URL of the store has a @, # or ? behind its host; in a password it must be percent-encoded, and parameters are for rediss://, redis+unix://, postgres://, mysql:// and etcds:// alone',
  );
}

/**
 * The parameters of a URL, by their names.
 *
 * @param rule what to say of all others: one may be the end of a password, and is not shown.
 */
export function readParameters<Name extends string>(
  search: string,
  names: readonly Name[],
  rule: string,
): Partial<Record<Name, string>> {
  const parameters: Partial<Record<Name, string>> = {};
  for (const pair of search.slice(1).split('&').filter(Boolean)) {
    const [, key, value] = /^([^=]*)=(.+)$/.exec(pair) ?? [];
    const name = names.find((each) => each === key);
    if (name === undefined || value === undefined) throw new UsageError(rule);
    parameters[name] = decoded(value);
  }
  return parameters;
}

/** Several hosts, with commas between them. */
const topology =
  /^[a-z+]+:\/\/(?:(?<user>[^@:/?#]*)(?::(?<secret>[^@/?#]*))?@)?(?<hosts>[^@/?#]+)(?<rest>[/?][^#@]*)?$/i;

export interface Topology {
  readonly nodes: readonly Host[];
  readonly credentials: Credentials;
  /** What stands behind the hosts. */
  readonly rest: string;
}

/**
 * A URL with a list of hosts, which is none to the parser.
 *
 * @param usual the port of a host that names none.
 * @returns undefined: it is none.
 */
export function readTopology(url: string, usual: number): Topology | undefined {
  const { user, secret, hosts, rest = '' } = topology.exec(url)?.groups ?? {};
  if (hosts === undefined) return undefined;
  const nodes = hosts.split(',').flatMap((host) => nodeOf(host, usual));
  if (nodes.length < hosts.split(',').length) return undefined;
  return { nodes, credentials: credentialsOf(user, secret), rest };
}

/** None: the text is no host. */
function nodeOf(text: string, usual: number): Host[] {
  const url = `redis://${text}`;
  if (!URL.canParse(url)) return [];
  const parsed = new URL(url);
  return parsed.hostname ? [hostOf(parsed, usual)] : [];
}

/** @param usual the port of a URL that names none. */
export function hostOf({ hostname, port }: URL, usual: number): Host {
  if (Number(port || usual) === 0) throw new UsageError('the URL of the store has the port 0');
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || usual) };
}

/** @param secret the password, percent-encoded like the user. */
export function credentialsOf(user: string | undefined, secret: string | undefined): Credentials {
  return {
    ...(user && { username: decoded(user) }),
    ...(secret && { password: decoded(secret) }),
  };
}

/** @throws UsageError for a raw percent sign. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(
      'the URL of the store has a % that encodes nothing; a % in a password or a path is written %25',
    );
  }
}
