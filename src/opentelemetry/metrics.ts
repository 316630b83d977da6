/** The events as metrics. Attributes have few values, so that there are few time series. */
import type { Meter } from '@opentelemetry/api';
import { subscribe } from 'dlock-js';
import { outcomeOf } from './outcomes.js';

/** From a request to a fast store to a job of an hour, in seconds: those of the SDKs are for milliseconds. */
const buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600];

/** Records until the returned functions are called. */
export function recordMetrics(meter: Meter, groupOf: (name: string) => string): (() => void)[] {
  const histogram = (name: string, description: string) => {
    const advice = { explicitBucketBoundaries: buckets };
    return meter.createHistogram(name, { description, unit: 's', advice });
  };
  const counter = (name: string, unit: string, description: string) =>
    meter.createCounter(name, { description, unit });

  const waits = histogram('dlock.wait.duration', 'How long callers waited for a lock');
  const holds = histogram('dlock.hold.duration', 'How long leases were held');
  const refusals = counter('dlock.refusals', '{refusal}', 'Requests for a lock that others held');
  const losses = counter('dlock.losses', '{loss}', 'Leases that ended without a release');
  const errors = counter('dlock.store.errors', '{error}', 'Requests that the store did not answer');

  const of = ({ name }: { name: string }) => ({ 'dlock.lock.group': groupOf(name) });
  const wait = (event: { name: string; waitedFor: number }, outcome: string) =>
    waits.record(event.waitedFor / 1_000, { ...of(event), 'dlock.wait.outcome': outcome });
  const hold = (event: { name: string; heldFor: number }, outcome: string) =>
    holds.record(event.heldFor / 1_000, { ...of(event), 'dlock.hold.outcome': outcome });

  return [
    subscribe('granted', (event) => {
      wait(event, 'granted');
      // The first loss must show as a step: rates of a series that begins with it are 0.
      losses.add(0, of(event));
    }),
    subscribe('abandoned', (event) => wait(event, outcomeOf(event.reason))),
    subscribe('refused', (event) => refusals.add(1, of(event))),
    subscribe('released', (event) => hold(event, 'released')),
    subscribe('handed-over', (event) => hold(event, outcomeOf('handed-over'))),
    subscribe('lost', (event) => {
      hold(event, 'lost');
      losses.add(1, of(event));
    }),
    subscribe('store-error', (event) =>
      errors.add(1, { ...of(event), 'dlock.store.operation': event.operation }),
    ),
  ];
}
