/** What several processes must show together, on whatever store. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, startWorker } from '../support/workers.js';

/** `processes` count to `processes * rounds` together; fails on a lost update or a fence that does not grow. */
export async function countTogether(url: string, processes: number, rounds: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'dlock-counter-'));
  try {
    await writeFile(join(directory, 'counter'), '0');
    const worker = new URL('./workers/counter.ts', import.meta.url);
    const workers = Array.from({ length: processes }, () =>
      startWorker(worker, url, directory, `${rounds}`),
    );
    assert.deepEqual(await Promise.all(workers.map(ended)), Array(processes).fill(0));
    assert.equal(await readFile(join(directory, 'counter'), 'utf8'), `${processes * rounds}`);

    const fences = (await readFile(join(directory, 'fences'), 'utf8')).trimEnd().split('\n');
    const hasNone = url.startsWith('memcache:') || url.includes(',');
    if (hasNone) return;
    assert.equal(fences.length, processes * rounds);
    for (let index = 1; index < fences.length; index++) {
      assert.ok(
        Number(fences[index]) > Number(fences[index - 1]),
        `${fences.slice(index - 1, index + 1)}`,
      );
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}
