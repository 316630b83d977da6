/** Being known to etcd: a token for user and password, which every request carries. */
import { type Json, unexpected } from './answers.js';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export class Login {
  readonly #credentials: Credentials;
  readonly #authenticate: (body: Json) => Promise<Json>;
  #headers: Promise<Json> | undefined;

  constructor(credentials: Credentials, authenticate: (body: Json) => Promise<Json>) {
    this.#credentials = credentials;
    this.#authenticate = authenticate;
  }

  /** What a request carries: of many at once, one asks for all. A failure leaves it to the next. */
  headers(): Promise<Json> {
    if (this.#headers) return this.#headers;
    const headers = this.#logIn();
    this.#headers = headers;
    headers.catch(() => this.outdated(headers));
    return headers;
  }

  /** Of many who say so, the first one counts. */
  outdated(headers: Promise<Json>): void {
    if (this.#headers === headers) this.#headers = undefined;
  }

  async #logIn(): Promise<Json> {
    const { user, password } = this.#credentials;
    const answer = await this.#authenticate({ name: user, password });
    if (typeof answer.token !== 'string' || answer.token === '') throw unexpected('no token');
    return { Authorization: answer.token };
  }
}
