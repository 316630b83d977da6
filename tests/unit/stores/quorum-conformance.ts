/** The conformance suite on a quorum in memory. It waits in real time: one size a file, side by side. */
import { after } from 'node:test';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { testStore } from '../../../src/testing/index.js';
import { memories } from './quorum-members.js';

export function testQuorum(size: number): void {
  // What a quorum does in the background keeps no process alive; while tests wait for it, this does.
  const alive = setInterval(() => {}, 60_000);
  after(() => clearInterval(alive));
  testStore({
    name: `QuorumStore of ${size}`,
    sharing: 'unlimited',
    fence: false,
    create() {
      const members = memories(size);
      return { store: new QuorumStore(members), other: new QuorumStore(members) };
    },
  });
}
