/** How the engines' clients frame their requests: as much of each protocol as it takes to count them. */
import type { Framing } from '../tests/support/proxy/counting.js';
import type { Engine } from './contestants/contestant.js';

/** A query, a series of messages with its `Sync`, or a message of the greeting. PostgreSQL, 55.2 and 55.7. */
const postgres: Framing = {
  commandEnd(bytes, start) {
    for (let at = start; at + 5 <= bytes.length; ) {
      const isUntyped = bytes[at] === 0;
      const length = bytes.readInt32BE(isUntyped ? at : at + 1);
      const end = at + length + (isUntyped ? 0 : 1);
      if (end > bytes.length) return undefined;
      if (isUntyped || 'QSpX'.includes(String.fromCharCode(bytes[at] ?? 0))) return end;
      at = end;
    }
    return undefined;
  },
};

/** A packet: three bytes of length, one that counts. MySQL internals, "Protocol packets". */
const mysql: Framing = {
  commandEnd(bytes, start) {
    if (start + 4 > bytes.length) return undefined;
    const end = start + 4 + bytes.readUIntLE(start, 3);
    return end <= bytes.length ? end : undefined;
  },
};

/** A request of HTTP whose length is told. */
const etcd: Framing = {
  commandEnd(bytes, start) {
    const head = bytes.indexOf('\r\n\r\n', start);
    if (head < 0) return undefined;
    const length = /content-length: (\d+)/i.exec(bytes.toString('latin1', start, head))?.[1];
    const end = head + 4 + Number(length ?? 0);
    return end <= bytes.length ? end : undefined;
  },
};

export const requestsOf: Readonly<Record<Engine, Framing>> = { postgres, mysql, etcd };
