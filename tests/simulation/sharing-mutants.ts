/** Ways to break what the core does for those who share a lock, each of which the simulation must notice. */
import type { Mutant } from './mutants.js';

export const sharingMutants: readonly Mutant[] = [
  {
    name: 'the line rests though there is room beside its process',
    file: 'line/last-holder.ts',
    text: 'if (holders.size >= limit) return true;',
    replacement: 'if (holders.size > 0) return true;',
  },
  {
    name: 'the line asks though its process holds the lock alone',
    file: 'line/last-holder.ts',
    text: 'for (const { isAlone } of holders) if (isAlone) return true;',
    replacement: '',
  },
  {
    name: 'the line asks though its process is in the way',
    file: 'line/last-holder.ts',
    text: 'if (this.fills(limit)) return Infinity;',
    replacement: '',
  },
  {
    name: 'the end of one lease makes its process forget the others',
    file: 'lease/holders.ts',
    text: 'if (ofLock?.delete(this) && ofLock.size === 0)',
    replacement: 'if (ofLock?.delete(this))',
  },
  {
    name: 'a lease makes its process forget those before it',
    file: 'lease/holders.ts',
    text: 'holders.set(this.#lock, ofLock.add(this));',
    replacement: 'holders.set(this.#lock, new Set([this]));',
  },
  {
    name: 'whoever shares a lock passes it on within the line',
    file: 'line/last-holder.ts',
    text: 'if (holder.isAlone) holder.heir = this.#heir;',
    replacement: 'holder.heir = this.#heir;',
  },
  {
    name: 'whoever shares a lock asks for it alone',
    file: 'asking/ask.ts',
    text: 'if (limit === 1 || !store.acquireShared)',
    replacement: 'if (limit > 0 || !store.acquireShared)',
  },
  {
    name: 'whoever wants a lock alone asks to share it',
    file: 'asking/ask.ts',
    text: 'if (limit === 1 || !store.acquireShared)',
    replacement: 'if (!store.acquireShared)',
  },
  {
    name: 'one more is asked to share a lock than its limit',
    file: 'asking/ask.ts',
    text: 'store.acquireShared(name, token, ttl, limit, patience)',
    replacement: 'store.acquireShared(name, token, ttl, limit + 1, patience)',
  },
  {
    name: 'a shared lease that is left to lapse keeps the line waiting',
    file: 'line/last-holder.ts',
    text: '      if (after > 0) this.#lapse = later(now(), after);\n    }',
    replacement: '    }\n    if (after > 0) this.#lapse = later(now(), after);',
  },
  {
    name: 'the end of a shared lease counts as "held"',
    file: 'line/last-holder.ts',
    text: '    if (holder.isAlone) {\n',
    replacement: '    if (holder) {\n',
  },
  {
    name: 'a place of its process counts as "held", whatever the limit',
    file: 'line/last-holder.ts',
    text: 'this.#heldUntil >= start.monotonic || this.fills(limit);',
    replacement: 'this.#heldUntil >= start.monotonic || holdersOf(this.#lock).size > 0;',
  },
  {
    name: 'the line goes on to rest for a next who wants another limit',
    file: 'line/line.ts',
    text: 'if (next?.limit === limit) this.#lookout',
    replacement: 'if (next) this.#lookout',
  },
  {
    name: 'a line that waits for its own process keeps its place',
    file: 'line/line.ts',
    text: 'if (stays === Infinity) this.#turn.end();',
    replacement: '',
  },
  {
    name: 'a ticket forgets the limit',
    file: 'lease/lease.ts',
    text: 'return limit === 1 ? ticket : { ...ticket, limit };',
    replacement: 'return ticket;',
  },
  {
    name: 'a ticket without end to its limit is one for the lock alone',
    file: 'lease/ticket.ts',
    text: 'limit ?? Infinity',
    replacement: 'limit ?? 1',
  },
];
