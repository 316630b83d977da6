/** Tests a store by the published suite, as the author of a store would, as an ES module. */
import { MemoryStore } from 'dlock-js/memory';
import { testStore } from 'dlock-js/testing';

const create = () => ({ store: new MemoryStore() });
testStore({ name: 'MemoryStore', queue: true, sharing: true, create });
