/** What the clients of all servers have in common: how they are loaded, and how they fail. */

/** The store cannot be used; nothing was asked of it. */
export class UnusableStore extends Error {}

/** How long a server may take to accept a connection, in milliseconds. */
export const connectTimeout = 5_000;

export async function load<T>(name: string, imported: () => Promise<T>): Promise<T> {
  try {
    return await imported();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UnusableStore(
      `it needs the package ${name}: npm install dlock-js ${name}, or npx -p dlock-js -p ${name} dlock ...`,
    );
  }
}
