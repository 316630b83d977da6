/**
 * A payment that is made once, however often its request is sent: a client that hears nothing sends it again,
 * with the same `Idempotency-Key`, while the first may still be under way on another server.
 */
import { type LockStore, locked, StoreError } from 'dlock-js';
import express, { type ErrorRequestHandler, type Express } from 'express';

export interface Payments {
  /** What became of the payment with this key, if it was made. */
  find(key: string): Promise<object | undefined>;
  /** Makes it, and remembers it under its key; must stop when `signal` aborts. */
  make(key: string, order: unknown, signal: AbortSignal): Promise<object>;
}

export function buildApp(store: LockStore, payments: Payments): Express {
  const app = express();
  app.use(express.json());

  app.post('/payments', async (request, response) => {
    const key = request.get('Idempotency-Key');
    if (!key) {
      response.status(400).json({ error: 'A payment needs an Idempotency-Key' });
      return;
    }
    // A client that hangs up stops waiting. A payment that has begun is made: its client asks again, and finds it.
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const waiting = { wait: 10_000, signal: gone.signal };

    // Only under the lock does "not found" mean that nobody is about to make it.
    const outcome = await locked(
      store,
      `payment ${key}`,
      async ({ signal }) => (await payments.find(key)) ?? payments.make(key, request.body, signal),
      waiting,
    );
    if (outcome.ran) response.json(outcome.value);
    else comeAgain(response, 'This payment is still being made');
  });

  app.use(onError);
  return app;
}

/** Express 5 brings here what an async handler throws; the default handler would tell it to the client. */
const onError: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.destroyed) return; // the client has gone
  // An outage is not "held": the payment was not begun, or it is in doubt.
  if (error instanceof StoreError) comeAgain(response, 'Payments cannot be made at the moment');
  else next(error);
};

function comeAgain(response: express.Response, error: string): void {
  response.status(503).set('Retry-After', '5').json({ error });
}
