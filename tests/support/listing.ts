/** What a directory holds, although its directories come and go. */
import { readdir } from 'node:fs/promises';

/** All names below `directory`; read again where one of its directories went meanwhile. */
export async function listAll(directory: string): Promise<string[]> {
  for (;;) {
    try {
      return await readdir(directory, { recursive: true });
    } catch (error) {
      const { code, path } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' || path === directory) throw error;
    }
  }
}
