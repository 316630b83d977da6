/** A store that answers what a test tells it to, and remembers what it was asked. */
import type { Attempt, LockStore } from '../../src/store.js';

type Answer<T> = T | Error | Promise<T> | (() => T | Promise<T>);

export class ScriptedStore implements LockStore {
  readonly ttl = 30_000;
  readonly timeout = 5_000;
  ordered = true;
  /** What was asked, as `operation token` or `extend token ttl`. */
  readonly requests: { operation: string; name: string; token: string; ttl?: number }[] = [];
  /** Answers to come, per operation; the last one is repeated. */
  readonly answers: {
    acquire: Answer<Attempt>[];
    extend: Answer<boolean>[];
    release: Answer<boolean>[];
  } = { acquire: [{ granted: true }], extend: [true], release: [true] };

  acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    this.requests.push({ operation: 'acquire', name, token, ttl });
    return answer(this.answers.acquire);
  }

  extend(name: string, token: string, ttl: number): Promise<boolean> {
    this.requests.push({ operation: 'extend', name, token, ttl });
    return answer(this.answers.extend);
  }

  release(name: string, token: string): Promise<boolean> {
    this.requests.push({ operation: 'release', name, token });
    return answer(this.answers.release);
  }

  count(operation: string): number {
    return this.requests.filter((request) => request.operation === operation).length;
  }
}

async function answer<T>(answers: Answer<T>[]): Promise<T> {
  const next = answers.length > 1 ? answers.shift() : answers[0];
  const value = typeof next === 'function' ? (next as () => T)() : next;
  if (value instanceof Error) throw value;
  return value as T;
}

/** An answer that never comes. */
export const never = new Promise<never>(() => {});

export const cut = new Error('the line is cut');
