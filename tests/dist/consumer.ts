/**
 * A consumer: a folder outside the repository into which npm has installed the package from its
 * tarball, and in which real processes run and compile code against it.
 */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { execa, type Options } from 'execa';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** The parts of package.json that the tests look at. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly bundleDependencies?: string[];
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { optional?: boolean }>;
  readonly typesVersions: Record<string, Record<string, string[]>>;
  readonly exports: Record<string, string | Record<string, Record<string, string>>>;
}

export async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
}

/** Subpaths as an import names them: `dlock-js`, `dlock-js/redis`, ... */
export function specifiersOf({ name, exports }: Manifest): string[] {
  const modules = Object.keys(exports).filter((subpath) => subpath !== './package.json');
  return modules.map((subpath) => name + subpath.slice(1));
}

export class Consumer implements AsyncDisposable {
  readonly folder: string;
  /** What npm packed. */
  readonly packed: readonly string[];
  #compilations = 0;

  private constructor(folder: string, packed: readonly string[]) {
    this.folder = folder;
    this.packed = packed;
  }

  /** Packs what is built, and installs it beside `dependencies` (name to version). */
  static async create(dependencies: Record<string, string> = {}): Promise<Consumer> {
    const { name } = await readManifest(repository);
    const folder = await mkdtemp(join(tmpdir(), `${name}-consumer-`));
    const { filename, packed } = await pack(folder);
    const consumer = new Consumer(folder, packed);
    const all = { [name]: `file:./${filename}`, ...dependencies };
    await consumer.write('package.json', { private: true, type: 'module', dependencies: all });
    await command(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund']);
    return consumer;
  }

  /** The package as installed. */
  get installed(): string {
    return join(this.folder, 'node_modules', 'dlock-js');
  }

  /** Copies a file of the repository's tests into the consumer. */
  async add(file: string, as: string): Promise<void> {
    await copyFile(join(repository, 'tests', file), join(this.folder, as));
  }

  async write(file: string, content: unknown): Promise<void> {
    const text = typeof content === 'string' ? content : JSON.stringify(content, null, 2);
    await writeFile(join(this.folder, file), text);
  }

  async read(file: string): Promise<string> {
    return readFile(join(this.folder, file), 'utf8');
  }

  /** Runs a file of the consumer's, which must end by itself, without fault; resolves to its output. */
  async run(
    file: string,
    { runtime = [process.execPath] as Runtime, args = [] as string[], timeout = 20_000 } = {},
  ) {
    const [program, ...words] = runtime;
    return command(this.folder, program, [...words, file, ...args], timeout);
  }

  /** Runs one of the repository's `consumers/` here. */
  async runConsumer(
    script: string,
    options?: { runtime?: Runtime; args?: string[]; timeout?: number },
  ) {
    await this.add(`dist/consumers/${script}`, script);
    return this.run(script, options);
  }

  /** Compiles with the repository's TypeScript; resolves to the paths of all files it read. */
  async compile(files: string[], compilerOptions: Record<string, unknown>): Promise<string[]> {
    const options = { ...strictest, ...compilerOptions };
    this.#compilations += 1;
    const project = `tsconfig.${this.#compilations}.json`;
    await this.write(project, { compilerOptions: options, files });
    const args = ['-p', project, '--listFiles'];
    const printed = await command(this.folder, 'tsc', args).catch(complain);
    return printed.split('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Tells what the compiler found fault with, without the long list of what it read. */
function complain(failure: Error & { stdout?: string }): never {
  const lines = failure.stdout?.split('\n').filter((line) => !line.startsWith('/'));
  throw new Error(lines?.join('\n') || failure.message, { cause: failure.name });
}

/** What a demanding user sets. The declarations of all packages are checked too. */
const strictest = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  target: 'ES2022',
  lib: ['ES2022'],
  types: ['node'],
  noEmit: true,
};

/** What runs a script whose path is appended: a program and its first arguments. */
export type Runtime = readonly [program: string, ...words: string[]];

/** The oldest version of Node.js that package.json's `engines` admits: `20.11.0`. */
const { engines } = await readManifest(repository);
export const oldestNode = `${engines.node.replace('>=', '')}.0`;

const found = new Map<string, Promise<Runtime>>();

/** Another version of Node.js, which npm brings. */
export function nodeOf(version: string): Promise<Runtime> {
  const runtime = found.get(version) ?? findNode(version);
  found.set(version, runtime);
  return runtime;
}

async function findNode(version: string): Promise<Runtime> {
  // The npx of some versions of npm spoils its cache when two install the same at the same time.
  const turns = new FileStore(join(tmpdir(), `dlock-js-dist-${userInfo().uid}`));
  await using _turn = await acquire(turns, 'npx');
  const print = ['node', '-p', 'process.execPath'];
  const options = ['--yes', '--prefer-offline', '-p', `node@${version}`];
  return [await command(tmpdir(), 'npx', [...options, ...print]), '--expose-gc'];
}

/** All that the package runs on; Bun and Deno are packages too, which the repository has installed. */
export const runtimes: Readonly<Record<string, () => Promise<Runtime>>> = {
  [`Node.js ${oldestNode}`]: () => nodeOf(oldestNode),
  'Node.js 22': () => nodeOf('22'),
  'Node.js 24': () => nodeOf('24'),
  'Node.js 26': () => nodeOf('26'),
  Bun: async () => ['bun', '--expose-gc'],
  Deno: async () => ['deno', 'run', '--allow-all', '--v8-flags=--expose-gc'],
};

/** Packs dist as it is: no script of the package may build it anew now. */
async function pack(folder: string): Promise<{ filename: string; packed: string[] }> {
  const built = await readdir(join(repository, 'dist')).catch(() => []);
  if (built.length === 0) throw new Error('There is nothing in dist: run `npm run build` first');
  const options = ['--json', '--ignore-scripts', '--pack-destination', folder];
  const [tarball] = JSON.parse(await command(repository, 'npm', ['pack', ...options]));
  const files: { path: string }[] = tarball.files;
  return { filename: tarball.filename, packed: files.map(({ path }) => path) };
}

/**
 * Runs a command in `folder` and resolves to what it printed. If it fails, the error's message holds
 * all that it said.
 */
async function command(
  folder: string,
  file: string,
  args: string[],
  timeout = 300_000,
): Promise<string> {
  const options = {
    cwd: folder,
    preferLocal: true,
    localDir: repository,
    stdin: 'ignore',
    timeout,
    // What the test runner tells its own children would reach the consumer too.
    env: {
      NODE_OPTIONS: undefined,
      NODE_PATH: undefined,
      NODE_TEST_CONTEXT: undefined,
      DENO_NO_UPDATE_CHECK: '1',
    },
  } satisfies Options;
  const { stdout } = await execa(file, args, options);
  return stdout;
}
