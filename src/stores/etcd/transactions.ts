/** Transactions of etcd: several comparisons and operations in one atomic step. */
import { type Json, list, type Pair, pairOf, revisionOf, unexpected } from './answers.js';
import type { Gateway, Repetition } from './gateway.js';

/** Keys from `key` up to, and without, `range_end`. */
export interface Range extends Json {
  readonly key: string;
  readonly range_end: string;
}

export function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** What is compared: revisions are 0 for a key that there is not. */
export const compare = {
  value: (key: string, value: string): Json => ({ key, target: 'VALUE', value: encode(value) }),
  /** Of the last change. */
  modified: (key: string, mod_revision: number): Json => ({ key, target: 'MOD', mod_revision }),
  created: (key: string, create_revision: number): Json => ({
    key,
    target: 'CREATE',
    create_revision,
  }),
  exists: (key: string): Json => ({
    key,
    target: 'CREATE',
    result: 'GREATER',
    create_revision: 0,
  }),
  /** There is no key in the range. */
  isEmpty: (range: Range): Json => ({ ...range, target: 'CREATE', create_revision: 0 }),
};

/** What is done. Its result is what it found: the pairs that were read, changed or deleted, as they were. */
export const operation = {
  read: (key: string): Json => ({ request_range: { key } }),
  /** The first of a range, in the order in which they were created. */
  first: (range: Range, limit: number): Json => ({
    request_range: { ...range, limit, sort_target: 'CREATE', sort_order: 'ASCEND' },
  }),
  put: (key: string, value: string, lease: string): Json => ({
    request_put: { key, value: encode(value), lease, prev_kv: true },
  }),
  /** It goes on to live as long as the lease that it has. */
  replace: (key: string, value: string): Json => ({
    request_put: { key, value: encode(value), ignore_lease: true, prev_kv: true },
  }),
  remove: (key: string): Json => ({ request_delete_range: { key, prev_kv: true } }),
};

export interface Transaction {
  /** All must hold; none: it holds. */
  readonly when?: readonly Json[];
  readonly does: readonly Json[];
  readonly otherwise?: readonly Json[];
}

export interface Outcome {
  readonly held: boolean;
  /** Of the cluster: if something was changed, by this very transaction. */
  readonly revision: number;
  /** The results of `does` or of `otherwise`, one for each. */
  readonly results: readonly (readonly Pair[])[];
}

export async function transact(
  gateway: Gateway,
  { when = [], does, otherwise = [] }: Transaction,
  repetition: Repetition = 'once',
): Promise<Outcome> {
  const body = { compare: when, success: does, failure: otherwise };
  const answer = await gateway.call('kv/txn', body, repetition);
  const { succeeded = false } = answer;
  const responses = list(answer.responses, answer);
  const expected = succeeded ? does : otherwise;
  if (typeof succeeded !== 'boolean' || responses.length !== expected.length) {
    throw unexpected(answer);
  }
  return {
    held: succeeded,
    revision: revisionOf(answer),
    results: responses.map((response) => pairsOf(response)),
  };
}

function pairsOf(response: Json): Pair[] {
  const { response_range: range, response_put: put, response_delete_range: deleted } = response;
  const { kvs, prev_kv, prev_kvs } = Object(range ?? put ?? deleted) as Json;
  const found = prev_kv === undefined ? (kvs ?? prev_kvs) : [prev_kv];
  return list(found, response).map(pairOf);
}
