/** A machine of AWS Lambda: calls the handler for each message, and answers what came of it. */
import { handler } from '../../../examples/aws-lambda.js';

process.on('message', async ({ time, limit }: { time: string; limit: number }) => {
  const end = performance.now() + limit;
  const context = { getRemainingTimeInMillis: () => Math.round(end - performance.now()) };
  const answer = await handler({ time }, context).catch((error: Error) => error.name);
  process.send?.(answer);
});
process.send?.('ready');
