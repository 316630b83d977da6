/**
 * The way to a cluster of etcd: the JSON gateway (`/v3`, since etcd 3.4) of one of its endpoints. Over the HTTP
 * of Node.js it is as fast as gRPC, and needs no client package.
 */
import type { ClientRequest } from 'node:http';
import { clock } from '../../base/clock.js';
import { EtcdError, invalidArgument, type Json, unauthenticated, unavailable } from './answers.js';
import { type Credentials, Login } from './login.js';
import { type EtcdTls, NoAnswer, Transport } from './transport.js';

export interface GatewayOptions {
  /** For one request, to however many endpoints, in milliseconds. */
  readonly timeout: number;
  readonly tls: EtcdTls;
  readonly credentials: Credentials | undefined;
}

/**
 * `repeatable`: to carry it out twice does no more than once. (A lease that was granted twice is one that
 * nobody uses, and lapses.)
 */
export type Repetition = 'repeatable' | 'once';

/** The part of the time limit that one of several endpoints may take. */
const shareOfTimeout = 0.4;
/** By which a stream learns that the other end is gone, in milliseconds. */
const probeInterval = 5_000;

export class Gateway {
  readonly #endpoints: readonly string[];
  readonly #timeout: number;
  readonly #transport: Transport;
  readonly #login: Login | undefined;
  readonly #streams = new Map<ClientRequest, string>();
  /** When an endpoint last answered, by the monotonic clock. */
  readonly #answered = new Map<string, number>();
  /** The number of the endpoint in use. */
  #current = 0;

  constructor(endpoints: readonly string[], { timeout, tls, credentials }: GatewayOptions) {
    this.#endpoints = endpoints;
    this.#timeout = timeout;
    this.#transport = new Transport(this.#endpoint.startsWith('https:'), tls);
    const authenticate = (body: Json) => this.#ask('auth/authenticate', body, 'repeatable');
    this.#login = credentials && new Login(credentials, authenticate);
  }

  get size(): number {
    return this.#endpoints.length;
  }

  /**
   * An endpoint that cannot be reached, keeps silent or is cut off from the others is left for the next. There
   * the request is sent again, if it was certainly not carried out or is repeatable.
   *
   * @throws EtcdError what the server said; NoAnswer if it said nothing.
   */
  async call(path: string, body: Json, repetition: Repetition): Promise<Json> {
    const login = this.#login;
    if (!login) return this.#ask(path, body, repetition);
    const headers = login.headers();
    try {
      return await this.#ask(path, body, repetition, await headers);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      login.outdated(headers);
      return this.#ask(path, body, repetition, await login.headers());
    }
  }

  /** A stream ends when its endpoint is left. One whose server loses the others gets an error from it. */
  async open(path: string, body: string): Promise<ClientRequest> {
    const url = this.#endpoint;
    const headers = { ...(await this.#login?.headers()), 'Grpc-Metadata-Hasleader': 'true' };
    const stream = this.#transport.stream(`${url}/v3/${path}`, body, headers);
    stream.on('socket', (socket) => socket.setKeepAlive(true, probeInterval));
    stream.on('close', () => this.#streams.delete(stream));
    stream.on('error', () => this.#leave(url));
    this.#streams.set(stream, url);
    return stream;
  }

  get #endpoint(): string {
    return this.#endpoints[this.#current % this.#endpoints.length] as string;
  }

  #leave(url: string): void {
    if (url !== this.#endpoint || this.size === 1) return;
    this.#current += 1;
    for (const [stream, where] of this.#streams) if (where === url) stream.destroy();
  }

  async #ask(path: string, body: Json, repetition: Repetition, headers: Json = {}): Promise<Json> {
    const text = JSON.stringify(body);
    const share = this.size > 1 ? shareOfTimeout : 1;
    const end = clock.monotonic() + this.#timeout;
    for (let tries = 1; ; tries++) {
      const url = this.#endpoint;
      const start = clock.monotonic();
      const limit = Math.min(this.#timeout * share, end - start);
      try {
        const answer = await this.#transport.ask(`${url}/v3/${path}`, text, headers, limit);
        this.#answered.set(url, clock.monotonic());
        return answer;
      } catch (error) {
        const isSilent = error instanceof NoAnswer;
        const isCutOff = error instanceof EtcdError && error.status === unavailable;
        if (!isSilent && !isCutOff) throw error;
        // One that has answered others meanwhile is slow, and not silent: elsewhere it would be no better.
        const isSlow = isSilent && error.wasSent && (this.#answered.get(url) ?? 0) > start;
        if (!isSlow) this.#leave(url);
        const mayRepeat = repetition === 'repeatable' || (isSilent && !error.wasSent);
        if (!mayRepeat || tries >= this.size || clock.monotonic() >= end) throw error;
      }
    }
  }
}

/**
 * The token has lapsed (after some minutes without use), its server has restarted, or rights have changed: the
 * request was not carried out.
 */
function isOutdated(error: unknown): boolean {
  if (!(error instanceof EtcdError)) return false;
  const { status, message } = error;
  const isOld = status === invalidArgument && message.includes('revision of auth store is old');
  return status === unauthenticated || isOld;
}
