/** A TCP proxy before a server of the tests, which can lose the reply to one request. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LossyProxy extends AsyncDisposable {
  readonly port: number;
  /**
   * The next request that mentions `text` is carried out, but its reply does not come back: the
   * connection is cut instead. Resolves then.
   */
  loseReplyTo(text: string): Promise<void>;
}

export async function startLossyProxy(target: number): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let trap: { text: string; sprung: () => void } | undefined;
  const proxy = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    let caught: (() => void) | undefined;
    const cut = () => {
      for (const socket of [client, server]) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', cut).on('close', cut);
    }
    client.on('data', (piece) => {
      if (trap && piece.includes(trap.text)) {
        caught = trap.sprung;
        trap = undefined;
      }
      server.write(piece);
    });
    server.on('data', (piece) => {
      if (!caught) return void client.write(piece);
      cut();
      caught();
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as AddressInfo).port,
    loseReplyTo: (text) =>
      new Promise((sprung) => {
        trap = { text, sprung };
      }),
    async [Symbol.asyncDispose]() {
      proxy.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
