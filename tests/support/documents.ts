/** What the README and the docs show: programs that run as they stand, and files of the repository. */
import { readdir, readFile } from 'node:fs/promises';

const root = new URL('../../', import.meta.url);

/**
 * A block of code: ` ```ts `, or ` ```ts mark `. One without a mark is a whole program; one that is
 * marked `continued` goes on where the last whole program above it ends; any other mark is the path of
 * the file that it shows.
 */
export interface Block {
  /** Where it begins: `README.md:31`. */
  readonly title: string;
  readonly language: string;
  readonly mark: string;
  readonly code: string;
}

/** A block as it can be run. */
export interface Program {
  readonly title: string;
  readonly language: string;
  readonly code: string;
}

/** The README, all of the docs, and the index of the examples, as paths from the root. */
export async function readPages(): Promise<Map<string, string>> {
  const docs = (await readdir(new URL('docs/', root))).filter((file) => file.endsWith('.md'));
  const pages = ['README.md', 'examples/README.md', ...docs.map((file) => `docs/${file}`)];
  const texts = pages.map((page) => readFile(new URL(page, root), 'utf8'));
  return new Map((await Promise.all(texts)).map((text, index) => [pages[index] ?? '', text]));
}

export function blocksOf(page: string, text: string): Block[] {
  return [...text.matchAll(/^```(\S*) ?([^\n]*)\n(.*?)^```$/gms)].map(
    ({ 1: language = '', 2: mark = '', 3: code = '', index }) => {
      const line = text.slice(0, index).split('\n').length;
      return { title: `${page}:${line}`, language, mark, code };
    },
  );
}

/** Every program of all pages in one of these languages. */
export async function readPrograms(...languages: string[]): Promise<Program[]> {
  const pages = [...(await readPages())].map(([page, text]) => blocksOf(page, text));
  return pages.flatMap((blocks) => {
    const program = (block: Block, index: number): Program => {
      if (block.mark === '') return block;
      const isBegun = ({ language, mark }: Block) => language === block.language && mark === '';
      const begun = blocks.slice(0, index).findLast(isBegun);
      if (!begun) throw new Error(`${block.title} continues nothing`);
      return { ...block, code: begun.code + block.code };
    };
    return blocks.flatMap((block, index) =>
      languages.includes(block.language) && ['', 'continued'].includes(block.mark)
        ? [program(block, index)]
        : [],
    );
  });
}

/** Puts the servers of a test in the place of those at the usual ports: the one thing that differs. */
export function relocated(code: string, addresses: Readonly<Record<string, string>>): string {
  return code.replace(/127\.0\.0\.1:\d+/g, (usual) => {
    const address = addresses[usual];
    if (!address) throw new Error(`No server stands for ${usual}`);
    return address;
  });
}
