/** EtcdStore on a real cluster of three nodes. */
import { after } from 'node:test';
import { EtcdStore } from 'dlock-js/etcd';
import { testStore } from '../../src/testing/index.js';
import { startEtcdCluster } from '../support/servers/etcd.js';

const cluster = await startEtcdCluster();
after(() => cluster.stop());

testStore({
  name: 'EtcdStore, three nodes',
  step: 2_000,
  queue: true,
  create: () => ({
    store: new EtcdStore(cluster.endpoints),
    // It begins with another node.
    other: new EtcdStore(cluster.endpoints.toReversed()),
  }),
});
