/** The clients that stores are made of, recognised by what no other client has. */
import { shown } from '../base/shown.js';

/** Any value, of which nothing is known. */
type Unknown = Partial<Record<string, unknown>>;

interface Kind {
  readonly library: string;
  /** Undefined: no store takes it. */
  readonly store?: string;
  isOneOf(client: Unknown): boolean;
}

const isFunction = (value: unknown) => typeof value === 'function';

/** node-redis has each command in capitals as well, on whatever takes commands. */
const isNodeRedis = ({ EVAL }: Unknown) => isFunction(EVAL);

/** Calls back, or answers at the end of a transaction: a promise of it says nothing. */
const answersElsewhere = ({ connect, options }: Unknown) =>
  !isFunction(connect) || Object(options).legacyMode === true;

const kinds: readonly Kind[] = [
  {
    library: 'redis in legacy mode, or a transaction',
    isOneOf: (client) => isNodeRedis(client) && answersElsewhere(client),
  },
  { library: 'redis', store: 'RedisStore', isOneOf: isNodeRedis },
  {
    library: 'ioredis',
    store: 'IoredisStore',
    isOneOf: (client) => isFunction(client.eval) && typeof client.status === 'string',
  },
  {
    library: 'memcache-client',
    store: 'MemcacheStore',
    isOneOf: ({ xsend, gets, cas }) => [xsend, gets, cas].every(isFunction),
  },
];

/**
 * Other clients have methods of the same names, which take other arguments or answer otherwise: a
 * wrong one would fail at the first lock, if it fails.
 *
 * @throws TypeError unless `client` is one of those that `store` takes; it names the store that fits.
 */
export function checkClient(store: string, client: unknown): void {
  const kind = kinds.find(({ isOneOf }) => isOneOf(Object(client)));
  if (kind?.store === store) return;
  const wanted = kinds.find((each) => each.store === store)?.library;
  const fitting = kind?.store === undefined ? '' : `, which ${kind.store} takes`;
  const given = kind ? `a client of ${kind.library}${fitting}` : shown(client);
  throw new TypeError(`${store} needs a client of ${wanted}, not ${given}`);
}
