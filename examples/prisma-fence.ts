/**
 * A worker that writes with Prisma, and whose late writes the database refuses: the same as `fence-postgres.ts`, in a
 * transaction, which undoes whatever else belongs to a write that is refused. Its locks lie in the same database.
 *
 * `prisma generate` makes the client from `prisma/schema.prisma`.
 */
import { type LockStore, tryAcquire } from 'dlock-js';
import { PostgresStore } from 'dlock-js/postgres';
import type { PrismaClient } from './prisma/client/client.js';

/** Needs the table of `schema()`, in a migration. Nobody is woken, so waiting processes ask more often. */
export function storeOver(prisma: PrismaClient): LockStore {
  return new PostgresStore((text, values) => prisma.$queryRawUnsafe(text, ...values));
}

/** Writes the report anew, unless another worker is at it. */
export async function refreshReport(
  store: LockStore,
  prisma: PrismaClient,
  buildReport: (signal: AbortSignal) => Promise<string>,
): Promise<void> {
  await using lease = await tryAcquire(store, 'sales report');
  if (!lease) return;
  const { fence, signal } = lease;
  if (fence === undefined) throw new Error('This needs a store that gives fences');

  const content = await buildReport(signal);
  await prisma.$transaction(async (transaction) => {
    // Compares and writes in one step; from here to the commit nobody else can write the row.
    const { count } = await transaction.report.updateMany({
      where: { name: 'sales', fence: { lt: fence } },
      data: { content, fence },
    });
    if (count === 0) throw new Error(`A newer holder than fence ${fence} was here`);
    await transaction.report.create({ data: { name: `sales, version ${fence}`, content, fence } });
  });
}
