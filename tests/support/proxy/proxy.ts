/**
 * A TCP proxy between clients and their server. By itself it passes bytes on, whatever they mean, and
 * can lose connections; what is to be done with the bytes of a connection can be handed to it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy extends AsyncDisposable {
  /** Where clients connect. */
  readonly port: number;
  /** Ends all connections, with what is on its way. */
  cut(): void;
  /** Ends one of the connections, any one. */
  cutOne(): void;
  /** Ends all connections, and those that are tried until `accept`. */
  refuse(): void;
  accept(): void;
}

/** A connection of a client, and the one to the server that belongs to it. */
export interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Ends both, with what is on its way. */
  cut(): void;
}

/**
 * @param target the port of the server.
 * @param carry sees to it that what comes from one side gets to the other.
 */
export async function startProxy(
  target: number,
  carry: (link: Link) => void = passOn,
): Promise<TcpProxy> {
  const links = new Set<Link>();
  let refusing = false;

  const server = createServer((client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    const sockets = [client, connect(target, '127.0.0.1')] as const;
    const cut = () => {
      for (const socket of sockets) socket.destroy();
    };
    const link: Link = { client, server: sockets[1], cut };
    links.add(link);
    for (const socket of sockets) {
      socket.setNoDelay(true).on('error', () => {});
      socket.once('close', () => sockets.every(({ closed }) => closed) && links.delete(link));
    }
    carry(link);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cutAll = () => {
    for (const link of links) link.cut();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: cutAll,
    cutOne() {
      [...links][Math.floor(Math.random() * links.size)]?.cut();
    },
    refuse() {
      refusing = true;
      cutAll();
    },
    accept() {
      refusing = false;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      cutAll();
      await once(server, 'close');
    },
  };
}

/** As it comes, in both directions; where one side ends, both do. */
export function passOn({ client, server, cut }: Link): void {
  for (const socket of [client, server]) socket.once('close', cut);
  client.pipe(server).pipe(client);
}
