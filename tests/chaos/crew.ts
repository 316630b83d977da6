/** The workers: as many at any time, whatever befalls them. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ended, startWorker } from '../support/workers.js';
import type { Gauges } from './stores.js';
import type { Message, Orders } from './worker.js';

/** For how long a worker may take to do what it is told once nothing disturbs it, in milliseconds. */
const patience = 60_000;

/** One place in the crew, and who has it now. */
interface Post {
  readonly number: number;
  /** How many had it before. */
  predecessors: number;
  worker: ChildProcess;
}

export class Crew {
  readonly #orders: Omit<Orders, 'journal'>;
  readonly #directory: string;
  readonly #posts: Post[];
  /** What workers did that they may not do, whatever is done to them. */
  readonly mishaps: string[] = [];

  /** @param directory where each worker writes its journal, named by its post and predecessors. */
  constructor(size: number, orders: Omit<Orders, 'journal'>, directory: string) {
    this.#orders = orders;
    this.#directory = directory;
    this.#posts = Array.from({ length: size }, (_, index) => ({
      number: index + 1,
      predecessors: 0,
      worker: this.#start(`${index + 1}.0`),
    }));
  }

  /** Kills a worker, stopped or not, and gives its post to a new one. */
  async replace(post: number): Promise<void> {
    const place = this.#at(post);
    place.worker.kill('SIGKILL');
    await ended(place.worker);
    place.predecessors += 1;
    place.worker = this.#start(`${post}.${place.predecessors}`);
  }

  /** Stops a worker, in the middle of what it does, for so many milliseconds. */
  async freeze(post: number, ms: number): Promise<void> {
    const { worker } = this.#at(post);
    worker.kill('SIGSTOP');
    await delay(ms);
    worker.kill('SIGCONT');
  }

  /** The mean of what the workers of these posts say of themselves. */
  async gauges(posts: readonly number[]): Promise<Gauges> {
    const answers = await Promise.all(posts.map((post) => this.#askForGauges(this.#at(post))));
    const means: Gauges = {};
    for (const name of Object.keys(answers[0] ?? {})) {
      means[name] =
        answers.reduce((total, answer) => total + (answer[name] ?? 0), 0) / posts.length;
    }
    return means;
  }

  /** Resolves once all have come to their end by themselves, or failed to. */
  async end(): Promise<void> {
    await Promise.all(this.#posts.map((post) => this.#end(post)));
  }

  #at(post: number): Post {
    const found = this.#posts[post - 1];
    if (found) return found;
    throw new RangeError(`There is no post ${post}`);
  }

  #start(name: string): ChildProcess {
    const orders: Orders = { ...this.#orders, journal: join(this.#directory, name) };
    const worker = startWorker(new URL('./worker.ts', import.meta.url), JSON.stringify(orders));
    worker.once('exit', (code, signal) => {
      if (code !== 0 && signal !== 'SIGKILL')
        this.mishaps.push(`worker ${name} ended with ${code ?? signal}`);
    });
    return worker;
  }

  async #askForGauges({ worker }: Post): Promise<Gauges> {
    tell(worker, 'gauges');
    const [answer] = await once(worker, 'message', { signal: AbortSignal.timeout(patience) });
    return answer;
  }

  async #end({ number, worker }: Post): Promise<void> {
    tell(worker, 'stop');
    const late = setTimeout(() => {
      this.mishaps.push(`worker ${number} hangs`);
      worker.kill('SIGKILL');
    }, patience);
    await ended(worker);
    clearTimeout(late);
  }
}

/** Who has died meanwhile hears nothing, which its exit tells. */
function tell(worker: ChildProcess, message: Message): void {
  worker.send(message, () => {});
}
