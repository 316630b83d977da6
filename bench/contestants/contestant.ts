/**
 * The shape that all contestants share, so that every measure asks each of them the same and none is
 * measured through more code than another.
 */

/** The servers that keep what they know on disk, and only run while they are measured. */
export type Engine = 'postgres' | 'mysql' | 'etcd';

/** Where the servers of a run listen, on 127.0.0.1, and a directory for locks in files. */
export interface Addresses extends Readonly<Partial<Record<Engine, number>>> {
  readonly redis: number;
  readonly memcached: number;
  readonly directory: string;
}

/** One library, or a bare client, on one kind of server. */
export interface Contestant {
  readonly name: string;
  /** The packages whose versions the results name. */
  readonly packages: readonly string[];
  readonly server: 'redis' | 'memcached' | 'file' | 'none' | Engine;
  /** The bare client that this one goes through: what it cannot be faster than. */
  readonly limit?: string;
  /** What was set that is not the default, and why. */
  readonly settings: string;
  /** What it cannot do at all, with the reason. */
  readonly lacks: { readonly [ability in Ability]?: string };
  /** The server's key of the lock `name`. */
  key(name: string): string;
  open(addresses: Addresses): Promise<Session>;
}

/**
 * `waiting`: to queue for a lock that is taken. `processes`: to exclude between processes. `renewal`:
 * to keep a lock alive by itself. `telling`: to tell the holder that the lock is lost. `sharing`: to let in
 * so many at once. `reading`: to let in any number, or one alone.
 */
export type Ability = 'waiting' | 'processes' | 'renewal' | 'telling' | 'sharing' | 'reading';

/** A contestant, connected. */
export interface Session {
  /** Takes a free lock and gives it back, in the cheapest way that the library documents. */
  cycle(name: string): Promise<void>;
  /** Runs `body` under the lock, and waits for it as long as need be. */
  section(name: string, body: () => Promise<void>): Promise<void>;
  /** Runs `body` in one of so many places, and waits for it as long as need be. */
  place?(name: string, places: number, body: () => Promise<void>): Promise<void>;
  /** Takes the lock, waiting if need be, and keeps it alive; resolves to what gives it back. */
  hold(name: string, ttl: number, onLost: () => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** Of those who have a plain lock alone. */
export const plain = { sharing: 'no semaphore', reading: 'no readers' };

/** The ttl of all locks that a measure gives no other, in milliseconds: long enough to play no part. */
export const ttl = 30_000;

/** Runs a library's "hold the lock while this runs" as a hold that ends when told to. */
export function holdWhile(run: (body: () => Promise<void>) => Promise<unknown>) {
  return new Promise<() => Promise<void>>((resolve, reject) => {
    let end = () => {};
    const ended = new Promise<void>((done) => {
      end = done;
    });
    const running = run(() => {
      resolve(async () => {
        end();
        await running;
      });
      return ended;
    });
    running.catch(reject);
  });
}
