/**
 * The core of the library and its quorum, compiled so that each simulated process runs a copy of its own: with its
 * own registries, clock and random numbers, and with nothing that a seed would not repeat.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import type { useClock } from '../../src/base/clock.js';
import type { QuorumStore } from '../../src/stores/quorum/quorum.js';

export type Core = typeof import('../../src/index.js') & {
  useClock: typeof useClock;
  QuorumStore: typeof QuorumStore;
};

/** What a copy finds in place of the globals. */
export interface Surroundings {
  random(): number;
  warn(message: string): void;
}

/** A copy of the core, and what it keeps. */
export interface CoreCopy {
  readonly core: Core;
  /** Every map that the copy made to remember something by an object. */
  readonly memories: ReadonlyMap<object, unknown>[];
  /** Makes the copy believe that a lease was garbage-collected; false: it does not watch for that. */
  forget(handle: object): boolean;
}

/** A way to break the core: `text`, once in `file`, becomes `replacement`. */
export interface Mutation {
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const entry = `
  export * from './src/index.ts';
  export { useClock } from './src/base/clock.ts';
  export { QuorumStore } from './src/stores/quorum/quorum.ts';
`;

/** Compiles the core once; what is returned makes a copy of it. */
export async function compileCore(
  mutations: readonly Mutation[] = [],
): Promise<(surroundings: Surroundings) => CoreCopy> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    plugins: mutations.length > 0 ? [mutating(mutations)] : [],
  });
  const globals = Object.keys(surround({ random: Math.random, warn: () => {} }).globals);
  const run = compileFunction(outputFiles[0]?.text ?? '', globals, { filename: 'core.cjs' });
  return (surroundings) => {
    const { globals, memories, finalizers } = surround(surroundings);
    run(...Object.values(globals));
    const forget = (handle: object) => finalizers.some((finalizer) => finalizer.collect(handle));
    return { core: globals.module.exports as Core, memories, forget };
  };
}

const require = createRequire(import.meta.url);

/** What stands in for globals and modules in one copy. */
function surround({ random, warn }: Surroundings) {
  const memories: ReadonlyMap<object, unknown>[] = [];
  const finalizers: Finalizers[] = [];
  const randomness = randomnessOf(random);
  const process = { emitWarning: warn };
  const timers = {
    setTimeout: noTimer,
    setInterval: noTimer,
    setImmediate: noTimer,
    clearTimeout: noTimer,
    clearInterval: noTimer,
    clearImmediate: noTimer,
  };
  const modules: Record<string, object> = {
    'node:crypto': randomness,
    'node:process': process,
    'node:timers': timers,
  };
  const globals = {
    module: { exports: {} },
    require: (id: string) => modules[id] ?? require(id),
    process,
    crypto: randomness,
    ...timers,
    Math: Object.create(Math, { random: { value: random } }),
    // Holds what it is given, which does no harm to a process that soon ends, and can be looked into.
    WeakMap: class extends Map<object, unknown> {
      constructor() {
        super();
        memories.push(this);
      }
    },
    FinalizationRegistry: class extends Finalizers {
      constructor(callback: (held: unknown) => void) {
        super(callback);
        finalizers.push(this);
      }
    },
    // It would tell when something is really collected, which no seed repeats.
    WeakRef: undefined,
  };
  return { globals, memories, finalizers };
}

/** A FinalizationRegistry whose garbage is collected when a run says so. */
class Finalizers {
  readonly #callback: (held: unknown) => void;
  readonly #entries = new Map<unknown, { handle: object; held: unknown }>();

  constructor(callback: (held: unknown) => void) {
    this.#callback = callback;
  }

  register(handle: object, held: unknown, token: unknown): void {
    this.#entries.set(token, { handle, held });
  }

  unregister(token: unknown): void {
    this.#entries.delete(token);
  }

  collect(collected: object): boolean {
    for (const [token, { handle, held }] of this.#entries) {
      if (handle !== collected) continue;
      this.#entries.delete(token);
      this.#callback(held);
      return true;
    }
    return false;
  }
}

/** What a seed repeats; of `node:crypto`, all else is missing, so that nothing else is drawn unnoticed. */
function randomnessOf(random: () => number) {
  const randomFillSync = <T extends Uint8Array>(bytes: T): T => {
    for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(random() * 256);
    return bytes;
  };
  return {
    randomFillSync,
    getRandomValues: randomFillSync,
    randomBytes: (size: number) => randomFillSync(Buffer.alloc(size)),
  };
}

/** The clock of a copy has all its timers: another would run in real time. */
function noTimer(): never {
  throw new Error('a timer that is not of the clock');
}

/** Fails loudly where the text is not there any more, or not once: a mutant that changes nothing proves nothing. */
function mutating(mutations: readonly Mutation[]): Plugin {
  return {
    name: 'mutating',
    setup({ onLoad, onEnd }) {
      const missing = new Set(mutations);
      onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        let contents = await readFile(path, 'utf8');
        for (const mutation of mutations) {
          if (!path.endsWith(`/src/${mutation.file}`)) continue;
          const parts = contents.split(mutation.text);
          if (parts.length !== 2) {
            throw new Error(
              `found ${parts.length - 1} times in ${mutation.file}: ${mutation.text}`,
            );
          }
          contents = parts.join(mutation.replacement);
          missing.delete(mutation);
        }
        return { contents, loader: 'ts' };
      });
      onEnd(() => {
        for (const { file } of missing) throw new Error(`${file} is not part of the core`);
      });
    },
  };
}
