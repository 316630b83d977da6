/**
 * The migrations of a deployment, which run once, although all instances start at the same moment: the others wait
 * until they are done, and then go on. An instance whose migration fails must not start; another one tries.
 *
 * `once` alone would not do: it forgets a version after `retain`, and a late instance would migrate again. What
 * ensures that each migration is applied once, for good, is the table that is written in the same transaction; the
 * lock keeps instances from running into each other, and the version lets them go on without reading that table.
 */
import { once } from 'dlock-js';
import { PostgresStore, schema } from 'dlock-js/postgres';
import type { Pool } from 'pg';

/** Statements that a transaction can hold, by the name of the migration, in order. */
export type Migrations = Readonly<Record<string, string>>;

/** @param version of the deployment, the same for all its instances, such as the digest of the image. */
export async function migrate(
  pool: Pool,
  version: string,
  migrations: Migrations,
  wait = 10 * 60_000,
): Promise<void> {
  // Statements that are sent together are one transaction: of all the instances that create the tables, one is first.
  await pool.query(`
    SELECT pg_advisory_xact_lock(20261128);
    CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY);
    ${schema().replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS')}`);

  const migrateAll = async ({ signal }: { signal: AbortSignal }) => {
    for (const [name, statements] of Object.entries(migrations)) {
      signal.throwIfAborted();
      await apply(pool, name, statements);
    }
  };
  const store = new PostgresStore(pool);
  const outcome = await once(store, 'migrations', version, migrateAll, { wait });
  if (outcome.ran || outcome.reason === 'done') return;
  throw new Error(`Another instance still migrates to ${version}, after ${wait} ms`);
}

/** If two apply the same one at the same time, as after one was stopped, the second waits at the INSERT. */
async function apply(pool: Pool, name: string, statements: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const applied = 'INSERT INTO migrations VALUES ($1) ON CONFLICT DO NOTHING';
    const { rowCount } = await client.query(applied, [name]);
    if (rowCount === 1) await client.query(statements);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
