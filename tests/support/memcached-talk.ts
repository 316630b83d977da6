/** Talks to a Memcached server in its own words, to see what a client hides. */
import { connect } from 'node:net';

/** Sends one command line (and data) and resolves to the reply, without its last line. */
export async function say(address: string, text: string, end: RegExp): Promise<string> {
  const [host, port] = address.split(':');
  const socket = connect({ host: host ?? '', port: Number(port) });
  socket.setEncoding('latin1');
  socket.write(text, 'latin1');
  let reply = '';
  for await (const chunk of socket) {
    reply += chunk;
    if (end.test(reply)) break;
  }
  socket.destroy();
  return reply;
}

/** The keys of all items that are alive. */
export async function allKeys(address: string): Promise<string[]> {
  const dump = await say(address, 'lru_crawler metadump all\r\n', /(^|\n)(END|ERROR.*)\r\n$/);
  return [...dump.matchAll(/^key=(\S+)/gm)].map(([, key]) => decodeURIComponent(key ?? ''));
}

/** The value of an item, or undefined. */
export async function itemOf(address: string, key: string): Promise<string | undefined> {
  const reply = await say(address, `get ${key}\r\n`, /END\r\n$/);
  return /^VALUE .*\r\n(.*)\r\nEND/.exec(reply)?.[1];
}
