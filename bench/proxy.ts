/**
 * A TCP proxy between a contestant and its server: counts the requests on the wire, and can lose the
 * reply to one of them.
 */
import { connect, createServer, type Socket } from 'node:net';
import { type Protocol, RequestCounter } from './requests.js';

export interface CountingProxy {
  readonly port: number;
  /** Requests since the start, of all connections. */
  readonly requests: number;
  /**
   * The next request that mentions `text` reaches the server, its reply does not come back, and the
   * connection is cut once the server has answered. Resolves then.
   */
  loseReplyTo(text: string): Promise<void>;
  end(): void;
}

export async function startProxy(protocol: Protocol, target: number): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  let requests = 0;
  let trap: { text: string; sprung: () => void } | undefined;

  const server = createServer((client) => {
    const counter = new RequestCounter(protocol);
    const upstream = connect(target, '127.0.0.1');
    let caught: (() => void) | undefined;
    const cut = () => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true).once('error', cut).once('close', cut);
    }
    client.on('data', (piece: Buffer) => {
      requests += counter.take(piece);
      if (trap && piece.includes(trap.text)) {
        caught = trap.sprung;
        trap = undefined;
      }
      upstream.write(piece);
    });
    upstream.on('data', (piece: Buffer) => {
      if (!caught) {
        client.write(piece);
        return;
      }
      caught();
      cut();
    });
  });

  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as { port: number }).port,
    get requests() {
      return requests;
    },
    loseReplyTo(text) {
      return new Promise((sprung) => {
        trap = { text, sprung };
      });
    },
    end() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
