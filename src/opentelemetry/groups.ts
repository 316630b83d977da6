/** Groups of locks, for attributes that must stay few: a name may have an id in it. */

/** What stands for all groups beyond the limit, as in the conventions of OpenTelemetry for unknown values. */
const others = '_OTHER';

/** How many groups a process tells apart: each is a time series of every metric. */
const limit = 100;

const uuids = /\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b/gi;

/** The name with `*` for each word that has a digit in it, and one for several of them in a row. */
export function withoutIds(name: string): string {
  return name
    .replace(uuids, '*')
    .replace(/[\p{L}\p{N}]+/gu, (word) => (/\p{N}/u.test(word) ? '*' : word))
    .replace(/\*(?:[^\p{L}\p{N}\s]\*)+/gu, '*');
}

/** The same groups, of which those beyond the first hundred are one. */
export function bounded(groupOf: (name: string) => string): (name: string) => string {
  const known = new Set<string>();
  return (name) => {
    const group = groupOf(name);
    if (known.size < limit) known.add(group);
    return known.has(group) ? group : others;
  };
}
