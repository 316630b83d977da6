/** EtcdStore on a real cluster of three nodes. */
import { after } from 'node:test';
import { EtcdStore } from 'dlock-js/etcd';
import { testStore } from '../../src/testing/index.js';
import { startEtcdCluster } from '../support/servers/etcd.js';

const cluster = await startEtcdCluster();
after(() => cluster.stop());

// To run all of them takes three nodes longer than it takes everything else: so they do each night.
testStore({
  name: 'EtcdStore, three nodes',
  cases: process.env.DLOCK_ALL_CASES ? 'all' : 'essential',
  step: 2_000,
  queue: true,
  create: () => ({
    store: new EtcdStore(cluster.endpoints),
    // It begins with another node.
    other: new EtcdStore(cluster.endpoints.toReversed()),
  }),
});
