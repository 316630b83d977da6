/** Ways to break the quorum, each of which the simulation must notice. */
import type { Mutant } from './mutants.js';

export const quorumMutants: readonly Mutant[] = [
  {
    name: 'a majority of one too few',
    file: 'stores/quorum/quorum.ts',
    text: 'Math.floor(stores.length / 2) + 1',
    replacement: 'Math.floor(stores.length / 2)',
  },
  {
    name: 'a single refusal decides',
    file: 'stores/quorum/poll.ts',
    text: 'return this.no.length > this.#results.size - this.#majority;',
    replacement: 'return this.no.length > 0;',
  },
  {
    name: 'a single yes decides over extensions and releases',
    file: 'stores/quorum/quorum.ts',
    text: '  if (poll.isWon) return true;\n  if (poll.isLost)',
    replacement: '  if (poll.yes.length > 0) return true;\n  if (poll.isLost)',
  },
  {
    name: 'too many failures are taken for a refusal',
    file: 'stores/quorum/quorum.ts',
    text: 'if (poll.isFailed || (isLast && !poll.isLost)) throw poll.undecided();',
    replacement: 'if (poll.isFailed || (isLast && !poll.isLost)) return { granted: false };',
  },
  {
    name: 'too many failures are taken for a loss',
    file: 'stores/quorum/quorum.ts',
    text: '  if (poll.isLost) return false;\n  throw poll.undecided();',
    replacement: '  return false;',
  },
  {
    name: 'a vote that was given back counts in the next round',
    file: 'stores/quorum/poll.ts',
    text: '      this.#results.set(voter, undefined);\n',
    replacement: '      if (!this.#results.has(voter)) this.#results.set(voter, undefined);\n',
  },
  {
    name: 'a lost round gives nothing back',
    file: 'stores/quorum/quorum.ts',
    text: 'const giveBack = (member: Member) => member.giveBack(name, token, limit);',
    replacement: 'const giveBack = async (_: Member) => {};',
  },
  {
    name: 'a refused attempt gives back only what it knows to be granted',
    file: 'stores/quorum/quorum.ts',
    text: '        for (const member of this.#members) giveBack(member).catch(() => {});\n',
    replacement: '',
  },
  {
    name: 'a release asks only a majority',
    file: 'stores/quorum/quorum.ts',
    text: 'poll.ask(this.#members, (member) => member.release(',
    replacement: 'poll.ask(this.#members.slice(0, this.#majority), (member) => member.release(',
  },
  {
    name: 'an extension asks only a majority',
    file: 'stores/quorum/quorum.ts',
    text: 'const asked = this.#members.map(',
    replacement: 'const asked = this.#members.slice(0, this.#majority).map(',
  },
  {
    name: 'a vote is given again without a majority',
    file: 'stores/quorum/quorum.ts',
    text: 'if (!verdict(poll)) return false;',
    replacement:
      'if (poll.isLost) { for (const { member } of asked) void member.renew(name, token, end); return false; }',
  },
  {
    name: 'a member forgets what it has granted',
    file: 'stores/quorum/member.ts',
    text: 'if (!answer.granted && vote.acquires.isAnswered && !vote.givenBack) this.#forget(vote);',
    replacement: 'this.#forget(vote);',
  },
  {
    name: 'a release is taken for the last one while an acquire is under way',
    file: 'stores/quorum/member.ts',
    text: 'const isLast = vote.acquires.isOver;',
    replacement: 'const isLast = true;',
  },
  {
    name: 'a release that failed is not repeated',
    file: 'stores/quorum/member.ts',
    text: 'answer.then(settle, () => this.#takeBack(vote));',
    replacement: 'answer.then(settle, () => {});',
  },
  {
    name: 'a token is asked for again while it is being taken back',
    file: 'stores/quorum/member.ts',
    text: "if (vote.givenBack) throw new Error('it has yet to give back what it granted before');",
    replacement: '',
  },
  {
    name: 'a token is asked for again before a late release of it',
    file: 'stores/quorum/member.ts',
    text: '    await vote.releases.passed();\n',
    replacement: '',
  },
  {
    name: 'a vote counts though an earlier extension may shorten it',
    file: 'stores/quorum/member.ts',
    text: 'const isCertain = shortestLife(ttl, vote.inDoubt) === ttl;',
    replacement: 'const isCertain = shortestLife(ttl, []) === ttl;',
  },
  {
    name: 'taking back believes the first "not yours"',
    file: 'base/take-back.ts',
    text: '(answered && isLast)',
    replacement: 'answered',
  },
  {
    name: 'taking back stops too early',
    file: 'base/take-back.ts',
    text: 'Math.max(begun, acquires.end) + ttl',
    replacement: 'begun',
  },
  {
    name: 'what failed is taken for what never comes',
    file: 'base/doubt.ts',
    text: 'settle(this.#timeout);',
    replacement: 'settle(0);',
  },
  {
    name: 'the quorum keeps its watches',
    file: 'stores/quorum/quorum.ts',
    text: 'watch.then((opened) => opened[Symbol.asyncDispose]()).catch(() => {});',
    replacement: 'watch.catch(() => {});',
  },
  {
    name: 'a vote is given again to a reader as to a writer',
    file: 'stores/quorum/quorum.ts',
    text: 'isShared: limit > 1 };',
    replacement: 'isShared: false };',
  },
];
