/** The floors of the house: what may import what. The map in CONTRIBUTING.md is the list of them. */
import { readFileSync } from 'node:fs';

const guide = readFileSync(new URL('CONTRIBUTING.md', import.meta.url), 'utf8');
const [, map] = /^src\/\n((?: {2}.*\n)+)/m.exec(guide);
/** From the roof to the ground. */
const floors = [...map.matchAll(/^ {2}(\S+)/gm)].map(
  ([, name]) => `^src/${name.replace('.', '\\.')}`,
);

const upwards = floors.slice(1).map((floor, index) => ({
  name: `${floor.slice(5)} imports only from further down`,
  severity: 'error',
  from: { path: floor },
  to: { path: floors.slice(0, index + 1) },
}));

/** What the package's users import: see subpaths.json. */
const subpaths = JSON.parse(readFileSync(new URL('subpaths.json', import.meta.url), 'utf8'));
const entries = Object.values(subpaths).map((file) => `^${file.replaceAll('.', '\\.')}$`);

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...upwards,
    {
      name: 'every file is on the map',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: floors },
    },
    { name: 'no circle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'a store knows of the core only the types of its contract, and base/',
      severity: 'error',
      from: { path: '^src/stores/' },
      to: { path: '^src/', pathNot: '^src/(stores|base)/|^src/store\\.ts$' },
    },
    {
      name: 'of its contract, a store knows only types',
      severity: 'error',
      from: { path: '^src/stores/' },
      to: { path: '^src/store\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the suite knows public names only',
      severity: 'error',
      from: { path: '^src/testing/' },
      to: { path: '^src/', pathNot: '^src/(testing/|index\\.ts$)' },
    },
    {
      name: 'the command uses public names only',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/', pathNot: ['^src/(cli|base)/', ...entries] },
    },
    {
      name: 'nobody knows the suite',
      severity: 'error',
      from: { pathNot: '^src/testing/' },
      to: { path: '^src/testing/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
};
