/**
 * A web server that handles the orders of one customer one after the other, and those of different
 * customers at the same time, however many processes it runs in.
 */
import { type Lease, type LockStore, locked } from 'dlock-js';
import { type FastifyInstance, fastify } from 'fastify';

/** Must not go on when `signal` aborts: then the next order of the customer may begin. */
export type PlaceOrder = (customer: string, signal: AbortSignal) => Promise<object>;

export function buildServer(store: LockStore, placeOrder: PlaceOrder): FastifyInstance {
  const server = fastify();

  server.post<{ Params: { id: string } }>('/customers/:id/orders', async (request, reply) => {
    const { id } = request.params;
    // A store that cannot be asked throws, which is Fastify's 500: an outage is not "busy".
    const body = (lease: Lease) => placeOrder(id, lease.signal);
    const outcome = await locked(store, `customer ${id}`, body, { wait: 5_000 });
    if (outcome.ran) return outcome.value;
    reply.code(503).header('Retry-After', '5');
    return { error: 'Another order of this customer is still being placed' };
  });

  return server;
}
