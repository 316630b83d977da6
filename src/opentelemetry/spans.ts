/**
 * The events as spans: one for a wait and one for a hold, side by side below whatever span is active where
 * the lock is asked for.
 */
import { type Attributes, type Span, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { type LeaseEvent, type LockEvent, subscribe } from 'dlock-js';
import { outcomeOf } from './outcomes.js';

/** Traces until the returned functions are called. */
export function traceSpans(tracer: Tracer, groupOf: (name: string) => string): (() => void)[] {
  /** The spans of the leases that are held. */
  const holds = new Map<string, Span>();

  /** Told in the context of the caller, whose span is the parent. */
  const start = (what: 'wait' | 'hold', event: LockEvent | LeaseEvent, startTime: number) => {
    const group = groupOf(event.name);
    const attributes = { ...attributesOf(event), 'dlock.lock.group': group };
    return tracer.startSpan(`dlock ${what} ${group}`, { attributes, startTime });
  };

  /** It began in the past: an event tells of a wait that is over. */
  const wait = (
    event: (LockEvent | LeaseEvent) & { waitedFor: number },
    outcome: string,
    end: number,
  ) => {
    const span = start('wait', event, end - event.waitedFor);
    span.setAttribute('dlock.wait.outcome', outcome);
    if (outcome === 'store_error') span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(end);
  };

  const endHold = (event: LeaseEvent, outcome: string, error?: Error): void => {
    const key = keyOf(event);
    const span = holds.get(key);
    holds.delete(key);
    span?.setAttribute('dlock.hold.outcome', outcome);
    if (error) span?.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    span?.end();
  };

  return [
    subscribe('granted', (event) => {
      const now = Date.now();
      wait(event, 'granted', now);
      holds.set(keyOf(event), start('hold', event, now));
    }),
    subscribe('abandoned', (event) => wait(event, outcomeOf(event.reason), Date.now())),
    subscribe('released', (event) => endHold(event, 'released')),
    subscribe('handed-over', (event) => endHold(event, outcomeOf('handed-over'))),
    subscribe('lost', (event) => endHold(event, 'lost', event.error)),
    () => {
      for (const span of holds.values()) span.end();
      holds.clear();
    },
  ];
}

/** What the events about one lease have in common. */
function keyOf({ name, period, token }: LeaseEvent): string {
  return JSON.stringify([name, period, token]);
}

/** Those without a value are left out. */
function attributesOf(event: LockEvent | LeaseEvent): Attributes {
  const { name, period, limit } = event;
  const { token, fence } = 'token' in event ? event : {};
  return {
    'dlock.lock.name': name,
    'dlock.lock.period': period,
    'dlock.lock.limit': limit === 1 ? undefined : limit,
    'dlock.lease.token': token,
    'dlock.lease.fence': fence,
  };
}
