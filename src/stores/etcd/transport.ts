/** HTTP to one server, by connections that are kept. Nothing here keeps the process alive: whoever waits does. */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { reasonOf } from '../../base/errors.js';
import { TimeLimit } from '../../base/time-limit.js';
import { EtcdError, errorOf, type Json, parse } from './answers.js';

/** What TLS connections are made with: PEM, as `tls.connect` of Node.js takes it. */
export interface EtcdTls {
  /** The authorities to trust, in place of those of the system. */
  ca?: string | Uint8Array | undefined;
  /** The client's own certificate, for servers that ask for one. */
  cert?: string | Uint8Array | undefined;
  key?: string | Uint8Array | undefined;
  passphrase?: string | undefined;
  /** The name to look for in the server's certificate, in place of the endpoint's. */
  servername?: string | undefined;
}

/** A request failed without an answer of etcd. */
export class NoAnswer extends Error {
  /** False: the server has certainly not seen it. */
  readonly wasSent: boolean;

  constructor(url: string, reason: string, wasSent: boolean, cause?: unknown) {
    super(`no answer from ${new URL(url).origin}: ${reason}`, { cause });
    this.wasSent = wasSent;
  }
}

/** For how long a connection is kept that is not used, in milliseconds. */
const idleTime = 60_000;

export class Transport {
  readonly #agent: Agent;
  readonly #tls: SecureContextOptions;

  constructor(isSecure: boolean, tls: EtcdTls) {
    // The types of Node.js know Buffer alone, not what else it takes.
    this.#tls = tls as SecureContextOptions;
    const options = { keepAlive: true, timeout: idleTime };
    this.#agent = isSecure ? new SecureAgent({ ...options, ...this.#tls }) : new Agent(options);
  }

  /**
   * @param limit in milliseconds.
   * @throws {@link EtcdError} what the server said, {@link NoAnswer} if it said nothing.
   */
  ask(url: string, body: string, headers: Json, limit: number): Promise<Json> {
    return new Promise((resolve, reject) => {
      let wasSent = false;
      const sent = this.#send(url, body, headers, { agent: this.#agent });
      const fail = (reason: string, cause?: unknown) => {
        time.end();
        reject(new NoAnswer(url, reason, wasSent, cause));
      };
      const late = () => {
        fail(`nothing within ${Math.round(limit)} ms`);
        sent.destroy();
      };
      const time = new TimeLimit(limit, late, 'idle');
      sent.on('socket', (socket) => {
        if (!socket.connecting) wasSent = true;
        else socket.once('connect', () => (wasSent = true));
      });
      sent.on('error', (error) => fail(reasonOf(error), error));
      sent.on('response', (response) => {
        const answered = read(response).finally(() => time.end());
        answered.then(resolve, (error) => {
          if (error instanceof EtcdError) reject(error);
          else fail(reasonOf(error), error);
        });
      });
    });
  }

  /** A request whose answer is a stream, on a connection of its own, which whoever is done with it destroys. */
  stream(url: string, body: string, headers: Json): ClientRequest {
    return this.#send(url, body, headers, { agent: false, ...this.#tls });
  }

  #send(url: string, body: string, headers: Json, options: object): ClientRequest {
    const send = url.startsWith('https:') ? secureRequest : request;
    const length = Buffer.byteLength(body);
    const types = { 'Content-Type': 'application/json', 'Content-Length': length };
    const sent = send(url, { method: 'POST', ...options, headers: { ...headers, ...types } });
    sent.on('socket', (socket) => socket.unref());
    sent.end(body);
    return sent;
  }
}

/** @throws {@link EtcdError} what the server said; another Error for what is no answer of etcd. */
export async function read(response: IncomingMessage): Promise<Json> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  const answer = parse(text);
  if (response.statusCode === 200 && answer) return answer;
  if (answer) throw errorOf(answer);
  throw new Error(`HTTP status ${response.statusCode}, which is no answer of etcd`);
}
