/**
 * Waits and holds as OpenTelemetry metrics and spans, from the events of Dlock.
 *
 * @module dlock-js/opentelemetry
 */
import { type Meter, metrics, type Tracer, trace } from '@opentelemetry/api';
import { bounded, withoutIds } from './groups.js';
import { recordMetrics } from './metrics.js';
import { traceSpans } from './spans.js';

/** Where metrics and spans go, and which locks form a group. */
export interface InstrumentOptions {
  /** Null: no metrics. Default: a meter of the global provider, which must already be registered. */
  meter?: Meter | null | undefined;
  /** Null: no spans. Default: a tracer of the global provider. */
  tracer?: Tracer | null | undefined;
  /**
   * The group of a lock, by its name: each group is a time series of every metric, so there must be few.
   * After the first hundred in a process, all further ones are `_OTHER`. Default: the name with `*` for each
   * word that has a digit in it, so that `order 4711` and `order 4712` are both `order *`.
   */
  groupOf?: ((name: string) => string) | undefined;
}

/**
 * Records, for all locks of this process:
 *
 * - `dlock.wait.duration`, a histogram in seconds, by `dlock.wait.outcome`: `granted`, `timeout`, `abort` or
 *   `store_error`;
 * - `dlock.hold.duration`, the same by `dlock.hold.outcome`: `released`, `lost` or `handed_over`;
 * - `dlock.refusals`, `dlock.losses` and `dlock.store.errors`, the last by `dlock.store.operation`;
 *
 * all by `dlock.lock.group`; and for each lease a span of the wait and one of the hold, which are children of
 * the span in which the caller asked for the lock. The spans carry the whole name, the fence and the first 8
 * characters of the token.
 *
 * ```ts
 * const stop = instrument({ groupOf: (name) => name.split(':')[0] ?? name });
 * ```
 *
 * @returns a function that ends the recording; spans of leases that are still held end then.
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  const {
    meter = metrics.getMeter('dlock-js'),
    tracer = trace.getTracer('dlock-js'),
    groupOf = withoutIds,
  } = options;
  const group = bounded(groupOf);
  const ends = [
    ...(meter ? recordMetrics(meter, group) : []),
    ...(tracer ? traceSpans(tracer, group) : []),
  ];
  return () => {
    for (const end of ends) end();
  };
}
