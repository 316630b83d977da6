/**
 * A proxy that knows where commands and replies begin and end, so that a test can lose, hold or delay
 * exactly the one it means.
 *
 * It does to a connection only what a network does: what was sent arrives in order, late or not at
 * all; a reply is never lost without the connection on which it was to come.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Matcher, Protocol, Words } from './protocol.js';
import { type Link, startProxy, type TcpProxy } from './proxy.js';

const bothDirections = ['commands', 'replies'] as const;
export type Direction = (typeof bothDirections)[number];

/** What waits in the proxy, with all that comes behind it in the same direction. */
export interface Held {
  letGo(): void;
}

/** A trap is for one command, the next that matches; its promise resolves when that has come. */
export interface FaultyProxy extends AsyncDisposable, Pick<TcpProxy, 'cut' | 'refuse' | 'accept'> {
  /** Where clients connect: one for each server. */
  readonly ports: readonly [number, ...number[]];
  /** How many commands have come that match. */
  count(matches: Matcher): number;
  /** How many replies the server has given, messages to subscribers not counted. */
  readonly replies: number;
  /** The connection ends before the server gets the command. */
  cutBefore(matches: Matcher): Promise<void>;
  /** The server carries the command out; then the connection ends, and the reply is lost with it. */
  dropReply(matches: Matcher): Promise<void>;
  /** The command waits. It reaches the server even if the client has gone in the meantime. */
  hold(matches: Matcher): Promise<Held>;
  /** The server carries the command out, and the reply waits; with `message`, a message does. */
  holdReply(matches: Matcher): Promise<Held>;
  /** All that comes from now on is late by `ms`. */
  delay(direction: Direction, ms: number): void;
  /** Nothing goes through any more, in that direction or (none named) in both, until `thaw`. Connections stay. */
  freeze(...directions: Direction[]): void;
  thaw(): void;
}

interface Trap {
  readonly direction: Direction;
  readonly matches: Matcher;
  /** False: what came is lost, and its connection ends. */
  readonly goesOn: () => boolean | Promise<boolean>;
}

/** @param target the port of the server. */
export async function startFaultyProxy(target: number, protocol: Protocol): Promise<FaultyProxy> {
  const faults = new Faults();
  const proxy = await startProxy(target, (link) => new Carrier(link, protocol, faults));
  return Object.assign(faults, proxy, { ports: [proxy.port] as const });
}

/** What is done to commands and replies. */
class Faults {
  readonly #traps = new Set<Trap>();
  readonly #commands: Words[] = [];
  readonly #delays = { commands: 0, replies: 0 };
  readonly #frozen: Partial<Record<Direction, { thawed: Promise<void>; thaw: () => void }>> = {};
  replies = 0;

  count(matches: Matcher): number {
    return this.#commands.filter(matches).length;
  }

  cutBefore(matches: Matcher): Promise<void> {
    return this.#cutAt('commands', matches);
  }

  dropReply(matches: Matcher): Promise<void> {
    return this.#cutAt('replies', matches);
  }

  hold(matches: Matcher): Promise<Held> {
    return this.#holdAt('commands', matches);
  }

  holdReply(matches: Matcher): Promise<Held> {
    return this.#holdAt('replies', matches);
  }

  delay(direction: Direction, ms: number): void {
    this.#delays[direction] = ms;
  }

  freeze(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : bothDirections) {
      let thaw = () => {};
      const thawed = new Promise<void>((resolve) => {
        thaw = resolve;
      });
      this.#frozen[direction] ??= { thawed, thaw };
    }
  }

  thaw(): void {
    for (const direction of bothDirections) {
      this.#frozen[direction]?.thaw();
      delete this.#frozen[direction];
    }
  }

  /** Takes note of what has come, and resolves once it may go on; false: it is lost. */
  async pass(direction: Direction, words: Words): Promise<boolean> {
    if (direction === 'commands') this.#commands.push(words);
    const trap = [...this.#traps].find(
      (trap) => trap.direction === direction && trap.matches(words),
    );
    if (trap) this.#traps.delete(trap);
    const goesOn = trap?.goesOn() ?? true;
    if (this.#delays[direction] > 0) await delay(this.#delays[direction]);
    await this.#frozen[direction]?.thawed;
    return goesOn;
  }

  #cutAt(direction: Direction, matches: Matcher): Promise<void> {
    return new Promise((resolve) => {
      const goesOn = () => {
        resolve();
        return false;
      };
      this.#traps.add({ direction, matches, goesOn });
    });
  }

  #holdAt(direction: Direction, matches: Matcher): Promise<Held> {
    return new Promise((resolve) => {
      const goesOn = () => new Promise<boolean>((goOn) => resolve({ letGo: () => goOn(true) }));
      this.#traps.add({ direction, matches, goesOn });
    });
  }
}

/** The end of a command or reply in what has come, and when it goes on. */
interface Piece {
  readonly end: number;
  readonly goesOn: Promise<boolean>;
}

/** Carries the pieces of one connection, each once it may go on. */
class Carrier {
  readonly #link: Link;
  readonly #protocol: Protocol;
  readonly #faults: Faults;
  /** The command that each reply still to come will answer. */
  readonly #unanswered: Words[] = [];

  constructor(link: Link, protocol: Protocol, faults: Faults) {
    this.#link = link;
    this.#protocol = protocol;
    this.#faults = faults;
    const { client, server } = link;
    this.#forward(client, server, (bytes) => this.#command(bytes));
    this.#forward(server, client, (bytes) => this.#reply(bytes));
  }

  #command(bytes: Buffer): Piece | undefined {
    const command = this.#protocol.readCommand(bytes);
    if (!command) return undefined;
    const { words, end, replies } = command;
    this.#unanswered.push(...Array<Words>(replies).fill(words));
    return { end, goesOn: this.#faults.pass('commands', words) };
  }

  #reply(bytes: Buffer): Piece | undefined {
    const reply = this.#protocol.readReply(bytes, this.#unanswered[0]);
    if (!reply) return undefined;
    const words = reply.unasked ? ['message'] : (this.#unanswered.shift() ?? []);
    if (!reply.unasked) this.#faults.replies += 1;
    return { end: reply.end, goesOn: this.#faults.pass('replies', words) };
  }

  /** Sends on what comes, piece by piece and in order, each once it may go on; then the end. */
  #forward(from: Socket, to: Socket, read: (bytes: Buffer) => Piece | undefined): void {
    let rest: Buffer = Buffer.alloc(0);
    let sent = Promise.resolve();
    const send = async (bytes: Buffer, goesOn: Promise<boolean>) => {
      if (await goesOn) to.write(bytes);
      else this.#link.cut();
    };
    from.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      for (let piece = read(rest); piece; piece = read(rest)) {
        const { end, goesOn } = piece;
        const whole = rest.subarray(0, end);
        rest = rest.subarray(end);
        sent = sent.then(() => send(whole, goesOn));
      }
    });
    from.on('close', () => {
      sent = sent.then(() => void to.end());
    });
  }
}
