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

/** They use the package as its users do: by its public names, with a copy of none. */
const guests = ['^src/testing/', '^src/opentelemetry/'];

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
    ...guests.flatMap((room) => [
      {
        name: `${room} knows public names only`,
        severity: 'error',
        from: { path: room },
        to: { path: '^src/', pathNot: [room, '^src/index\\.ts$'] },
      },
      {
        name: `nobody knows ${room}`,
        severity: 'error',
        from: { pathNot: room },
        to: { path: room },
      },
    ]),
    {
      name: 'the command uses public names only',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/', pathNot: ['^src/(cli|base)/', ...entries] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
};
