/** A server that grants every lock, as long as it is told to be honest; else it answers what it is told. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Protocol, Words } from '../support/proxy/protocol.js';
import { resp } from '../support/proxy/resp.js';

/** What goes over the wire instead of an honest answer. */
export interface Hostility {
  readonly bytes: string;
  /** What the server does then; silent: nothing more comes, on an open connection. */
  readonly next: 'goes on' | 'cuts' | 'is silent';
}

export interface HostileServer extends AsyncDisposable {
  readonly port: number;
  /** What the next answer to each command is to be; undefined: an honest one. */
  answer(how: (words: Words) => Hostility | undefined): void;
}

export async function startHostileServer(protocol: Protocol): Promise<HostileServer> {
  let hostile: (words: Words) => Hostility | undefined = () => undefined;
  const honest = protocol === resp ? honestRedis : honestMemcached();
  const sockets = new Set<Socket>();

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let rest: Buffer = Buffer.alloc(0);
    let silent = false;
    socket.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      let command = protocol.readCommand(rest);
      for (; command && !silent; command = protocol.readCommand(rest)) {
        rest = rest.subarray(command.end);
        const answer = hostile(command.words);
        socket.write(Buffer.from(answer?.bytes ?? honest(command.words), 'latin1'));
        if (answer?.next === 'cuts') socket.end();
        silent = answer?.next === 'is silent';
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    answer(how) {
      hostile = how;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function honestRedis([name = '']: Words): string {
  if (/^eval/i.test(name)) return ':1\r\n';
  return /^info$/i.test(name) ? '$11\r\nrole:master\r\n' : '+OK\r\n';
}

function honestMemcached(): (words: Words) => string {
  let holder = '';
  return ([name, key, ...rest]) => {
    if (name !== 'gets') {
      holder = rest.at(-1) ?? '';
      return 'STORED\r\n';
    }
    return `VALUE ${key} 0 ${holder.length} 7\r\n${holder}\r\nEND\r\n`;
  };
}
