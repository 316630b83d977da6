/** Tests a store by the published suite, as the author of a store would, as a CommonJS module. */
const { MemoryStore } = require('dlock-js/memory');
const { testStore } = require('dlock-js/testing');

const create = () => ({ store: new MemoryStore() });
testStore({ name: 'MemoryStore', queue: true, sharing: true, create });
