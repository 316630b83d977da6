/** EtcdStore on a real etcd of one node. */
import { EtcdStore } from 'dlock-js/etcd';
import { testStore } from '../../src/testing/index.js';
import { sharedEtcd } from '../support/servers.js';

const url = await sharedEtcd();

testStore({
  name: 'EtcdStore, one node',
  step: 2_000,
  queue: true,
  create: () => ({ store: new EtcdStore(url), other: new EtcdStore(url) }),
});
