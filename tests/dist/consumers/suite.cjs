/** Tests a store by the published suite, as the author of a store would, as a CommonJS module. */
const { MemoryStore } = require('dlock-js/memory');
const { testStore } = require('dlock-js/testing');

testStore({ name: 'MemoryStore', create: () => ({ store: new MemoryStore() }) });
