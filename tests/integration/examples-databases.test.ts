/** The examples on a database do what they say; that of a store for PostgreSQL has a file of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refreshReport, table as reports } from '../../examples/fence-postgres.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';
import { twoStores } from './two-stores.js';

test('a worker that lost its lease, and does not know, is refused by the row it writes to', async () => {
  await using schema = await openSchema();
  const query = (sql: string, values: unknown[]) => schema.pool.query(sql, values);
  await schema.pool.query(reports);
  const report = async () =>
    (await schema.pool.query('SELECT content FROM reports')).rows[0].content;

  const [one, two] = twoStores();
  await refreshReport(one, query, async () => 'first');
  assert.equal(await report(), 'first');

  const cutOff = altered(one, {
    ttl: 400,
    extend: async () => {
      throw new Error('the line is cut');
    },
  });
  const late = refreshReport(cutOff, query, async () => {
    await eventually('another worker writes the report', async () => {
      await refreshReport(two, query, async () => 'second');
      return (await report()) === 'second';
    });
    return 'late';
  });
  await assert.rejects(late, /A newer holder than fence \d+ was here/);
  assert.equal(await report(), 'second');
});
