/**
 * `@Locked()` and `@Once()` for the methods of NestJS providers, which every instance schedules and one runs:
 *
 *     @Once('import', CronExpression.EVERY_HOUR)
 *     async importOrders(signal: AbortSignal, period: string) { ... }
 *
 * The application imports `locksModule(store)`, and `ScheduleModule.forRoot()` of `@nestjs/schedule`, which logs
 * what a method throws. With `enableShutdownHooks()`, running methods are asked to stop, and waited for. `cron` is
 * what that module schedules with, so both read a pattern in the same way.
 */
import 'reflect-metadata';
import { type BeforeApplicationShutdown, type DynamicModule, Inject } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { CronTime } from 'cron';
import {
  type AcquireOptions,
  type Lease,
  type LockStore,
  locked,
  type OnceOptions,
  once,
  settled,
} from 'dlock-js';

/** For methods with such parameters; `signal` aborts when the lease is lost, and when the application ends. */
type JobDecorator<More extends unknown[] = []> = (
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<(signal: AbortSignal, ...more: More) => Promise<void>>,
) => void;

/** Runs the method, whatever schedules or calls it, unless another instance is at it. */
export function Locked(name: string, options?: Omit<AcquireOptions, 'signal'>): JobDecorator {
  return underLocks((store, job, signal) => locked(store, name, job, { ...options, signal }));
}

/** Schedules the method, in UTC, and runs it once for each time of the schedule: `2026-11-24T05:00:00.000Z`. */
export function Once(
  name: string,
  pattern: string,
  options?: Omit<OnceOptions, 'signal'>,
): JobDecorator<[period: string]> {
  const run = underLocks<[string]>((store, job, signal) => {
    const period = scheduledTime(pattern);
    return once(store, name, period, (lease) => job(lease, period), { ...options, signal });
  });
  return (...method) => {
    run(...method);
    Cron(pattern, { timeZone: 'Etc/UTC' })(...method);
  };
}

/** The time for which the run that begins now was scheduled; when it begins differs from server to server. */
function scheduledTime(pattern: string): string {
  const schedule = new CronTime(pattern, 'Etc/UTC');
  const next = (time: number) => schedule.getNextDateFrom(new Date(time), 'Etc/UTC').toMillis();
  const now = Date.now();
  let span = 1_000;
  while (next(now - span) > now) span *= 2;
  let time = next(now - span);
  while (next(time) <= now) time = next(time);
  return new Date(time).toISOString();
}

const locksOf = Symbol('locks');

/** The decorator that lets `run` decide when a method, its `job`, is run, and under which lease. */
function underLocks<More extends unknown[] = []>(
  run: (
    store: LockStore,
    job: (lease: Lease, ...more: More) => Promise<void>,
    shutdown: AbortSignal,
  ) => Promise<unknown>,
): JobDecorator<More> {
  return (target, key, descriptor) => {
    const { value: method } = descriptor;
    if (!method) throw new TypeError(`${String(key)} is not a method`);
    Inject(Locks)(target, locksOf);
    descriptor.value = function (this: { [locksOf]: Locks }) {
      return this[locksOf].hold((store, shutdown) => {
        const job = ({ signal }: Lease, ...more: More) =>
          method.call(this, AbortSignal.any([signal, shutdown]), ...more);
        return run(store, job, shutdown);
      });
    };
    // The metadata of decorators below this one, such as `@Interval()`.
    for (const note of Reflect.getMetadataKeys(method)) {
      Reflect.defineMetadata(note, Reflect.getMetadata(note, method), descriptor.value);
    }
  };
}

/** The store of an instance of the application, and what runs under its locks. */
class Locks implements BeforeApplicationShutdown {
  readonly #store: LockStore;
  readonly #shutdown = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(store: LockStore) {
    this.#store = store;
  }

  async hold(begin: (store: LockStore, shutdown: AbortSignal) => Promise<unknown>): Promise<void> {
    const running = begin(this.#store, this.#shutdown.signal);
    this.#running.add(running);
    await running.finally(() => this.#running.delete(running));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#shutdown.abort(new Error('The application ends'));
    await Promise.allSettled(this.#running);
    await settled(this.#store, { wait: 2_000 });
  }
}

/** For the imports of the application's module. The client of the store is closed after the application. */
export function locksModule(store: LockStore): DynamicModule {
  const locks = { provide: Locks, useValue: new Locks(store) };
  return { module: class LocksModule {}, global: true, providers: [locks], exports: [Locks] };
}
