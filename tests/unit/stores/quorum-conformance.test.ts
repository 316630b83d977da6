/** QuorumStore passes the conformance suite, with an odd and with an even number of members. */
import { after } from 'node:test';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { testStore } from '../../../src/testing/index.js';
import { memories } from './quorum-members.js';

// What a quorum does in the background keeps no process alive; while tests wait for it, this does.
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

for (const size of [3, 4]) {
  testStore({
    name: `QuorumStore of ${size}`,
    fence: false,
    create() {
      const members = memories(size);
      return { store: new QuorumStore(members), other: new QuorumStore(members) };
    },
  });
}
