import { defineConfig, type Options } from 'tsup';
import subpaths from './subpaths.json' with { type: 'json' };

/** One entry for each subpath, by the name of its built file. */
const library = Object.fromEntries(
  Object.entries(subpaths).map(([subpath, source]) => [subpath.slice(2) || 'index', source]),
);

const common: Options = {
  target: 'node20.11',
  // No chunks: a subpath is one file, and no store imports the core at run time.
  splitting: false,
  // Published code says `node:` as the sources do; by default tsup would strip it.
  removeNodeProtocol: false,
  // The suite tests the core that its user has: a copy of its own would share neither line nor lease.
  external: ['dlock-js'],
};

export default defineConfig([
  {
    ...common,
    entry: library,
    format: ['esm', 'cjs'],
    // They hold the sources, which are not packed.
    sourcemap: true,
    // A reference written in a source file is lost when the declarations are bundled.
    dts: { banner: '/// <reference lib="esnext.disposable" />' },
  },
  // The command, with all that it needs but the clients, which are the user's.
  { ...common, entry: { 'cli/main': 'src/cli/main.ts' }, format: ['esm'] },
  // An old Node.js must be able to read what tells its user that it is too old.
  {
    ...common,
    entry: { 'cli/start': 'src/cli/start.ts' },
    format: ['esm'],
    target: 'node12.20',
    external: ['./main.js'],
  },
]);
