/** The rights that docs/stores.md lists for a user of Redis, so that the tests hold the page to them. */
import { readFile } from 'node:fs/promises';

const page = new URL('../../docs/stores.md', import.meta.url);

/** Each line of the page, as the arguments of `ACL`. */
export async function documentedRights(): Promise<string[][]> {
  const text = await readFile(page, 'utf8');
  const lines = [...text.matchAll(/^ACL (SETUSER dlock .*)$/gm)].map(([, line = '']) => line);
  return lines.map((line) => line.split(' '));
}
