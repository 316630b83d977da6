/**
 * What the README and the docs say in code is so: every program runs as it stands, on real servers,
 * and ends by itself. Those in plain JavaScript run with the packed package, in tests/dist.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { createConnection } from 'mysql2/promise';
import { blocksOf, readPages, readPrograms, relocated } from '../support/documents.js';
import { sharedPostgres } from '../support/servers/postgres.js';
import {
  sharedEtcd,
  sharedMemcached,
  sharedMysql,
  sharedRedis,
  startRedis,
} from '../support/servers.js';
import { compile } from '../support/workers.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const directory = join(root, '.tmp/docs');
await mkdir(directory, { recursive: true });
after(() => rm(directory, { recursive: true }));

const pages = await readPages();
const blocks = [...pages].flatMap(([page, text]) => blocksOf(page, text));

/** The host and port of a URL. */
const hostOf = (url: string) => new URL(url).host;

/** A server with the database of the programs. */
async function mysqlWithDatabase(): Promise<string> {
  const url = await sharedMysql();
  const connection = await createConnection(url);
  await connection.query('CREATE DATABASE IF NOT EXISTS app');
  await connection.end();
  return url;
}

const addresses = {
  '127.0.0.1:6379': hostOf(await sharedRedis()),
  '127.0.0.1:6380': hostOf((await startRedis()).url),
  '127.0.0.1:6381': hostOf((await startRedis()).url),
  '127.0.0.1:3306': hostOf(await mysqlWithDatabase()),
  '127.0.0.1:5432': hostOf(await sharedPostgres()),
  '127.0.0.1:11211': await sharedMemcached(),
  '127.0.0.1:2379': hostOf(await sharedEtcd()),
};

/** Each in a directory of its own, as a reader would have it. */
const programs = await Promise.all(
  (await readPrograms('ts')).map(async ({ title, code }) => {
    const folder = join(directory, title.replace(/\W+/g, '-'));
    await mkdir(folder);
    await writeFile(join(folder, 'index.ts'), relocated(code, addresses));
    return { title, folder };
  }),
);
const config = { extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false } };
await writeFile(
  join(directory, 'tsconfig.json'),
  JSON.stringify({ ...config, include: ['*/*.ts'] }),
);

test('every block of code is of a kind that is tested, or is no program of this language', () => {
  const others = ['', 'sh', 'crontab', 'ini', 'yaml'];
  for (const { title, language, mark } of blocks) {
    const isKnown = ['ts', 'js', 'cjs'].includes(language) || (others.includes(language) && !mark);
    assert.ok(isKnown, `${title}: \`\`\`${language} ${mark}`);
    if (mark && mark !== 'continued') assert.ok(existsSync(join(root, mark)), `${title}: ${mark}`);
  }
});

test('what is shown of a file is the whole of it', async () => {
  const shown = blocks.filter(({ mark }) => mark && mark !== 'continued');
  for (const { title, mark, code } of shown) {
    assert.equal(code, await readFile(join(root, mark), 'utf8'), `${mark} in ${title}`);
  }
  assert.ok(shown.length > 0);
});

test('every link leads to a file, and to a heading of it', async () => {
  const anchorsOf = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\d\s-]/gu, '')
        .replace(/\s/g, '-'),
    );
  for (const [page, text] of pages) {
    for (const [, path = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
      const target = path ? join(dirname(page), path) : page;
      assert.ok(existsSync(join(root, target)), `${page} links to ${path}`);
      if (!anchor) continue;
      const headings = anchorsOf(await readFile(join(root, target), 'utf8'));
      assert.ok(headings.includes(anchor), `${page} links to ${path}#${anchor}`);
    }
  }
});

test('the programs compile', async () => {
  assert.ok(programs.length >= 10);
  const compiler = await execa('tsc', ['-p', directory], {
    cwd: root,
    preferLocal: true,
    reject: false,
  });
  assert.equal(compiler.stdout, '');
  assert.equal(compiler.exitCode, 0);
});

describe('each program runs as it stands', { concurrency: 4 }, () => {
  for (const { title, folder } of programs) {
    test(title, { timeout: 120_000 }, async () => {
      // A program that tests a store must not report to this test.
      const env = { NODE_TEST_CONTEXT: undefined };
      const program = compile(pathToFileURL(join(folder, 'index.ts')));
      const run = await execa('node', [program], { cwd: folder, env, reject: false });
      assert.equal(run.exitCode, 0, `${run.stdout}\n${run.stderr}`);
    });
  }
});
