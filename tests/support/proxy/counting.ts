/**
 * A proxy that counts commands, and does nothing else with them: it keeps up with clients that poll,
 * and costs all the same.
 */
import type { Protocol } from './protocol.js';
import { passOn, startProxy, type TcpProxy } from './proxy.js';

/** All that it knows of a protocol. */
export type Framing = Pick<Protocol, 'commandEnd'>;

export interface CountingProxy extends TcpProxy {
  /** Commands since the start, of all connections. */
  readonly commands: number;
}

/** @param target the port of the server. */
export async function startCountingProxy(
  target: number,
  protocol: Framing,
): Promise<CountingProxy> {
  let commands = 0;
  const proxy = await startProxy(target, (link) => {
    const count = counter(protocol);
    link.client.on('data', (bytes: Buffer) => {
      commands += count(bytes);
    });
    passOn(link);
  });
  return {
    ...proxy,
    get commands() {
      return commands;
    },
  };
}

/** Takes what comes on one connection, in pieces of any size, and answers how many commands each completes. */
export function counter(protocol: Framing): (piece: Buffer) => number {
  let begun: Buffer = Buffer.alloc(0);
  return (piece) => {
    const bytes = begun.length > 0 ? Buffer.concat([begun, piece]) : piece;
    let count = 0;
    let start = 0;
    for (;;) {
      const end = protocol.commandEnd(bytes, start);
      if (end === undefined) break;
      count += 1;
      start = end;
    }
    // A copy, or else all that came with it would be kept.
    begun = Buffer.from(bytes.subarray(start));
    return count;
  };
}
