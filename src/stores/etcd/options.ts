/** What an EtcdStore is made with, checked. A password is in none of the messages. */
import { checkOptions, requirements } from '../../base/arguments.js';
import { shown } from '../../base/shown.js';
import { type KeyedStoreOptions, readOptions } from '../options.js';
import type { Credentials } from './login.js';
import type { EtcdTls } from './transport.js';

/** `prefix` must be well-formed. */
export interface EtcdStoreOptions extends KeyedStoreOptions {
  /** The user, where etcd requires authentication; with a password. */
  user?: string | undefined;
  password?: string | undefined;
  /** For endpoints with `https:`: a private authority, a certificate of the client. */
  tls?: EtcdTls | undefined;
}

/** The longest lease of etcd, in milliseconds. */
export const maxTtl = 9_000_000_000_000;

const store = 'EtcdStore';
const own = ['user', 'password', 'tls'];
const prefixes = { allowed: /^\P{Cs}*$/u, rule: 'be well-formed' };
const tlsOptions = ['ca', 'cert', 'key', 'passphrase', 'servername'];

/** @throws TypeError or RangeError that shows what was received. */
export function readEtcdOptions(options: EtcdStoreOptions = {}) {
  const common = readOptions(store, options, { maxTtl, prefix: prefixes, others: own });
  const { user, password, tls = {} } = options;
  const must = requirements(store);
  const isUser = user === undefined || (typeof user === 'string' && user !== '');
  must(TypeError, isUser, 'user', 'be a name', user);
  const isPassword = password === undefined || typeof password === 'string';
  must(TypeError, isPassword, 'password', 'be a string', typeof password);
  const isWhole = (user === undefined) === (password === undefined);
  must(TypeError, isWhole, 'user and password', 'be given together', user);
  must(TypeError, typeof tls === 'object' && tls !== null, 'tls', 'be an object', tls);
  checkOptions(`tls of ${store}`, tls, tlsOptions);
  const isKnown = user !== undefined && password !== undefined;
  const credentials: Credentials | undefined = isKnown ? { user, password } : undefined;
  return { ...common, tls, credentials };
}

/**
 * @throws TypeError for what is no URL, or has more than scheme, host and port; it shows none that could have a
 * password.
 */
export function readEndpoints(endpoints: string | readonly string[]): readonly string[] {
  const urls = typeof endpoints === 'string' ? [endpoints] : endpoints;
  if (!Array.isArray(urls) || urls.length === 0) {
    throw new TypeError(`${store} needs one URL or a list of them, not ${shown(endpoints)}`);
  }
  const origins = urls.map(originOf);
  const isOneKind = new Set(origins.map((origin) => origin.split(':')[0])).size === 1;
  if (!isOneKind) throw new TypeError(`The endpoints of ${store} must be all http: or all https:`);
  return origins;
}

function originOf(endpoint: unknown): string {
  const {
    protocol = '',
    origin = '',
    href,
  } = URL.canParse(`${endpoint}`) ? new URL(`${endpoint}`) : ({} as Partial<URL>);
  if (/^https?:$/.test(protocol) && href === `${origin}/`) return origin;
  const given = `${endpoint}`.includes('@') ? 'one with a user' : shown(endpoint);
  throw new TypeError(
    `An endpoint of ${store} must be a URL such as http://127.0.0.1:2379, not ${given}`,
  );
}
