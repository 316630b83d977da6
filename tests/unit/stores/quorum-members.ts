/** Members of a quorum that hold, fail, are late or never answer, on the fake clock. */
import { pause } from '../../../src/base/clock.js';
import type { LockStore } from '../../../src/store.js';
import { MemoryStore } from '../../../src/stores/memory.js';
import { altered } from '../../../src/testing/fixture.js';
import { cut, never } from '../../support/scripted-store.js';

export const token = 'a'.repeat(32);

export type Memories = [MemoryStore, MemoryStore, MemoryStore, ...MemoryStore[]];

export function memories(size: number): Memories {
  return Array.from({ length: size }, () => new MemoryStore()) as Memories;
}

export type Condition = 'up' | 'slow' | 'held' | 'down' | 'silent' | 'mute';

/** A member in some condition, over the memory that shows what was left behind. */
export function memberIn(condition: Condition, memory: LockStore): LockStore {
  const through =
    (before: () => Promise<unknown>, behind: () => Promise<unknown> = async () => {}) =>
    <Request extends unknown[], Answer>(operation: (...request: Request) => Promise<Answer>) =>
    async (...request: Request) => {
      await before();
      const answer = await operation(...request);
      await behind();
      return answer;
    };
  const ways = {
    up: through(async () => {}),
    held: through(async () => {}),
    slow: through(() => pause(10)),
    down: through(async () => {
      throw cut;
    }),
    silent: through(() => never),
    mute: through(
      async () => {},
      () => never,
    ),
  };
  const way = ways[condition];
  return altered(memory, {
    acquire: way(memory.acquire.bind(memory)),
    extend: way(memory.extend.bind(memory)),
    release: way(memory.release.bind(memory)),
  });
}

/** How a request of a gated member goes on: all of it waits for the gate, or its answer alone. */
export type Held = 'requests' | 'answers';

/** A member whose requests of one operation wait for the gate, while everything else overtakes them. */
export function gated(
  memory: LockStore,
  held: Held = 'requests',
  operation: 'acquire' | 'extend' | 'release' = 'acquire',
): { member: LockStore; open: () => void; fail: () => void; asked: () => number } {
  let open = () => {};
  let fail = () => {};
  let asked = 0;
  const gate = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = () => reject(cut);
  });
  gate.catch(() => {});
  const send = memory[operation].bind(memory) as (...request: unknown[]) => Promise<unknown>;
  const member = altered(memory, {
    async [operation](...request: unknown[]) {
      asked += 1;
      if (held === 'requests') await gate;
      const answer = await send(...request);
      await gate;
      return answer;
    },
  });
  return { member, open: () => open(), fail: () => fail(), asked: () => asked };
}

/** What a restart without its data does to a member that holds `token`. */
export async function forget(member: LockStore): Promise<void> {
  await member.release('import', token);
}
