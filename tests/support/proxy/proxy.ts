/**
 * A TCP proxy between clients and their server that knows where commands and replies begin and end,
 * so that a test can lose, hold or delay exactly the one it means.
 *
 * It does to a connection only what a network does: what was sent arrives in order, late or not at
 * all; a reply is never lost without the connection on which it was to come.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Matcher, Protocol, Words } from './protocol.js';

const bothDirections = ['commands', 'replies'] as const;
export type Direction = (typeof bothDirections)[number];

/** What waits in the proxy, with all that comes behind it in the same direction. */
export interface Held {
  letGo(): void;
}

/** A trap is for one command, the next that matches; its promise resolves when that has come. */
export interface FaultyProxy extends AsyncDisposable {
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
  /** Ends all connections, with what was on its way. */
  cut(): void;
  /** Ends all connections, and those that are tried until `accept`. */
  refuse(): void;
  accept(): void;
}

interface Trap {
  readonly direction: Direction;
  readonly matches: Matcher;
  /** False: what came is lost, and its connection ends. */
  readonly goesOn: () => boolean | Promise<boolean>;
}

/** @param target the port of the server. */
export async function startProxy(target: number, protocol: Protocol): Promise<FaultyProxy> {
  const proxy = new TcpProxy(target, protocol);
  await proxy.listen();
  return proxy;
}

class TcpProxy implements FaultyProxy {
  readonly protocol: Protocol;
  readonly #target: number;
  readonly #server = createServer((client) => this.#accept(client));
  readonly #links: Link[] = [];
  readonly #traps = new Set<Trap>();
  readonly #commands: Words[] = [];
  readonly #delays = { commands: 0, replies: 0 };
  readonly #frozen: Partial<Record<Direction, { thawed: Promise<void>; thaw: () => void }>> = {};
  #refusing = false;
  replies = 0;

  constructor(target: number, protocol: Protocol) {
    this.#target = target;
    this.protocol = protocol;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get ports(): [number] {
    return [(this.#server.address() as AddressInfo).port];
  }

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

  cut(): void {
    for (const link of this.#links) link.cut();
  }

  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  accept(): void {
    this.#refusing = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
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

  #accept(client: Socket): void {
    if (this.#refusing) client.destroy();
    else this.#links.push(new Link(client, connect(this.#target, '127.0.0.1'), this));
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

/** One connection of a client, and the one to the server that belongs to it. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #proxy: TcpProxy;
  /** The command that each reply still to come will answer. */
  readonly #unanswered: Words[] = [];

  constructor(client: Socket, server: Socket, proxy: TcpProxy) {
    this.#client = client;
    this.#server = server;
    this.#proxy = proxy;
    this.#forward(client, server, (bytes) => this.#command(bytes));
    this.#forward(server, client, (bytes) => this.#reply(bytes));
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #command(bytes: Buffer): Piece | undefined {
    const command = this.#proxy.protocol.readCommand(bytes);
    if (!command) return undefined;
    const { words, end, replies } = command;
    this.#unanswered.push(...Array<Words>(replies).fill(words));
    return { end, goesOn: this.#proxy.pass('commands', words) };
  }

  #reply(bytes: Buffer): Piece | undefined {
    const reply = this.#proxy.protocol.readReply(bytes, this.#unanswered[0]);
    if (!reply) return undefined;
    const words = reply.unasked ? ['message'] : (this.#unanswered.shift() ?? []);
    if (!reply.unasked) this.#proxy.replies += 1;
    return { end: reply.end, goesOn: this.#proxy.pass('replies', words) };
  }

  /** Sends on what comes, piece by piece and in order, each once it may go on; then the end. */
  #forward(from: Socket, to: Socket, read: (bytes: Buffer) => Piece | undefined): void {
    let rest: Buffer = Buffer.alloc(0);
    let sent = Promise.resolve();
    const send = async (bytes: Buffer, goesOn: Promise<boolean>) => {
      if (await goesOn) to.write(bytes);
      else this.cut();
    };
    from.setNoDelay(true);
    from.on('error', () => {});
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
