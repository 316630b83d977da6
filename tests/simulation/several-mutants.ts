/** Ways to break `acquireAll` and `lead`, each of which the simulation must notice. */
import type { Mutant } from './mutants.js';

export const severalMutants: readonly Mutant[] = [
  {
    name: 'a group takes its locks in the order in which they are named',
    file: 'api/all.ts',
    text: 'names: distinct.sort(), terms',
    replacement: 'names: distinct, terms',
  },
  {
    name: 'a lock that is named twice is taken twice',
    file: 'api/all.ts',
    text: 'const distinct = [...new Set(names)];',
    replacement: 'const distinct = [...names];',
  },
  {
    name: 'what was taken for a group half-way is not given back',
    file: 'api/all.ts',
    text: '    for (const lease of taken) lease.discard();\n',
    replacement: '',
  },
  {
    name: 'a group is given without what was lost meanwhile',
    file: 'api/all.ts',
    text: '    for (const lease of taken) if (!lease.held) throw lostMeanwhile(lease);\n',
    replacement: '',
  },
  {
    name: 'a group keeps listening to its caller',
    file: 'api/all.ts',
    text: '    for (const stop of listening) stop();\n',
    replacement: '',
  },
  {
    name: 'a group waits for each of its locks anew',
    file: 'api/all.ts',
    text: 'const left = Math.max(0, Math.ceil(until(end)));',
    replacement: 'const left = terms.wait;',
  },
  {
    name: 'an abort does not end the wait of a group',
    file: 'api/all.ts',
    text: 'if (signal) endWith(signal, () => signal.reason);',
    replacement: '',
  },
  {
    name: 'the signal of a group tells of its first lock alone',
    file: 'lease/leases.ts',
    text: 'const signals = this.#leases.map(({ signal }) => signal);',
    replacement: 'const signals = this.#leases.slice(0, 1).map(({ signal }) => signal);',
  },
  {
    name: 'a group is released on its first loss',
    file: 'lease/leases.ts',
    text: '    this.#leases = leases;\n',
    replacement: `    this.#leases = leases;
    for (const { signal } of leases) signal.addEventListener('abort', () => void this.release());
`,
  },
  {
    name: 'a group gives back its first lock alone',
    file: 'lease/leases.ts',
    text: 'const releases = this.#leases.map((lease) => lease.release(options));',
    replacement:
      'const releases = this.#leases.slice(0, 1).map((lease) => lease.release(options));',
  },
  {
    name: 'a group was ours if any of its locks was',
    file: 'lease/leases.ts',
    text: '.every((ours) => ours)',
    replacement: '.some((ours) => ours)',
  },
  {
    name: 'the disposal of a group ends with its first lock',
    file: 'lease/leases.ts',
    text: 'await Promise.all(this.#leases.map((lease) => lease[Symbol.asyncDispose]()));',
    replacement: 'await this.#leases[0]?.[Symbol.asyncDispose]();',
  },
  {
    name: 'a second term begins before the body of the first has ended',
    file: 'api/lead.ts',
    text: 'const resigned = await runUnder(lease, () => serve(lease, body));',
    replacement: `const over = new Promise<undefined>((end) => onAbort(lease.signal, () => end(undefined)));
      const resigned = await Promise.race([runUnder(lease, () => serve(lease, body)), over]);`,
  },
  {
    name: 'a leader that has lost its lock leads no more',
    file: 'api/lead.ts',
    text: 'if (!isLost) throw error;',
    replacement: 'throw error;',
  },
  {
    name: 'what a body returns counts although it was told to end',
    file: 'api/lead.ts',
    text: 'return lease.signal.aborted ? undefined : { value };',
    replacement: 'return { value };',
  },
  {
    name: 'an outage ends the wait to lead',
    file: 'api/lead.ts',
    text: 'if (!(error instanceof StoreError)) throw error;',
    replacement: 'throw error;',
  },
  {
    name: 'an abort does not tell the body to end',
    file: 'api/lead.ts',
    text: 'const terms = { ...read, recall: read.signal };',
    replacement: 'const terms = read;',
  },
  {
    name: 'a body that fails once it is told to end is taken for one that did so',
    file: 'api/lead.ts',
    text: 'if (lease.signal.aborted && isEcho(error, lease)) return undefined;',
    replacement: 'if (lease.signal.aborted) return undefined;',
  },
  {
    name: 'a body that ends as it was told to is a fault',
    file: 'api/lead.ts',
    text: "if (each === signal.reason || isLoss || Object(each).name === 'AbortError') return true;",
    replacement: 'if (isLoss) return true;',
  },
  {
    name: 'a rest between two campaigns does not hear of an abort',
    file: 'api/lead.ts',
    text: 'const stopListening = signal && onAbort(signal, () => rest.end());',
    replacement: 'const stopListening = signal && (() => {});',
  },
  {
    name: 'a rest between two campaigns leaves its listener',
    file: 'api/lead.ts',
    text: '  stopListening?.();\n',
    replacement: '',
  },
];
