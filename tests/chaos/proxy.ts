/** A TCP proxy between workers and a server: it passes bytes on, and can lose connections. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

export interface CuttableProxy {
  readonly port: number;
  /** Cuts one connection, or all of them, with whatever is under way on it. False: there was none. */
  cut(which: 'one' | 'all'): boolean;
  /** Cuts all connections, and every new one, until `admit` is called. */
  shut(): void;
  admit(): void;
  end(): void;
}

export async function startProxy(target: number): Promise<CuttableProxy> {
  const cuts = new Set<() => void>();
  let admitting = true;

  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const cut = () => {
      client.destroy();
      upstream.destroy();
      cuts.delete(cut);
    };
    cuts.add(cut);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true).on('error', cut).once('close', cut);
    }
    client.pipe(upstream).pipe(client);
    if (!admitting) cut();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cutAll = () => {
    for (const cut of [...cuts]) cut();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut(which) {
      const found = [...cuts];
      if (which === 'all') cutAll();
      else found[Math.floor(Math.random() * found.length)]?.();
      return found.length > 0;
    },
    shut() {
      admitting = false;
      cutAll();
    },
    admit() {
      admitting = true;
    },
    end() {
      server.close();
      cutAll();
    },
  };
}
