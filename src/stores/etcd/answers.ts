/** What etcd answers in JSON: objects whose 64-bit numbers are strings, and which leave out what is 0 or false. */
import { shown } from '../../base/shown.js';

export type Json = Readonly<Record<string, unknown>>;

/** What etcd said in place of an answer. */
export class EtcdError extends Error {
  /** Of gRPC: 5, not found; 14, unavailable; 16, not authenticated. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.name = 'EtcdError';
    this.status = status;
  }
}

export const [invalidArgument, notFound, unavailable, unauthenticated] = [3, 5, 14, 16];

/** Undefined: it is no JSON object. */
export function parse(text: string): Json | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // a proxy's page, or half an answer
  }
}

/** An error is a text with a code beside it in an answer, and an object in a stream. */
export function errorOf(answer: Json): EtcdError {
  const { message, code, grpc_code } = Object(
    typeof answer.error === 'object' ? answer.error : answer,
  ) as Json;
  return new EtcdError(String(message ?? answer.error), Number(grpc_code ?? code ?? 2));
}

/** A whole number that is not negative; absent, it is 0. */
export function count(value: unknown, answer: unknown): number {
  const number = value === undefined ? 0 : Number(value);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw unexpected(answer);
}

/** The revision of the cluster: every answer about keys has one. */
export function revisionOf(answer: Json): number {
  const revision = count((Object(answer.header) as Json).revision, answer);
  if (revision > 0) return revision;
  throw unexpected(answer);
}

export function list(value: unknown, answer: unknown): readonly Json[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((each) => Object(each) === each)) return value;
  throw unexpected(answer);
}

/** A key and its value, as etcd keeps it. */
export interface Pair {
  /** In base64, as it is sent. */
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** The lease that it lives as long as; undefined: it has none. */
  readonly lease: string | undefined;
}

export function pairOf(kv: Json): Pair {
  const { key, value = '', lease } = kv;
  const isPair = typeof key === 'string' && typeof value === 'string';
  if (!isPair || (lease !== undefined && typeof lease !== 'string')) throw unexpected(kv);
  return {
    key,
    value: Buffer.from(value, 'base64').toString(),
    createRevision: count(kv.create_revision, kv),
    modRevision: count(kv.mod_revision, kv),
    lease,
  };
}

export function unexpected(answer: unknown): Error {
  const text = typeof answer === 'object' ? JSON.stringify(answer).slice(0, 200) : shown(answer);
  return new TypeError(`etcd answered ${text}, which the request does not allow`);
}
