/**
 * A process that outlives the one which started it by a moment, and removes its containers, however
 * it ended: the end of that process is the end of this one's standard input.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

await text(process.stdin);
const { getContainerRuntimeClient } = await import('testcontainers');
const { dockerode } = (await getContainerRuntimeClient()).container;
const filters = { label: [`dlock-tests=${process.argv[2]}`] };
// Once more a little later: Docker may still have been creating one.
for (const delay of [0, 3_000]) {
  await sleep(delay);
  const containers = await dockerode.listContainers({ all: true, filters });
  const removals = containers.map(({ Id }) =>
    dockerode.getContainer(Id).remove({ force: true, v: true }),
  );
  await Promise.allSettled(removals);
}
