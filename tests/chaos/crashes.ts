/**
 * `npm run elections -- [seconds]`: etcd of three nodes, of which the leader is killed every ten
 * seconds under eight processes that contend for two locks. Exits with 1 if two valid leases overlapped, fences
 * were out of order, or a lease was lost that was renewed all the time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startEtcdCluster } from '../support/servers/etcd.js';
import { type Plan, run } from './machine.js';
import { figuresOf, printTable, tellViolations } from './report.js';
import { etcdScene, type StoreKind } from './stores.js';

const duration = Number(process.argv[2] ?? 180) * 1_000;
const plan: Plan = {
  workers: 8,
  mortals: 0,
  contenders: 1,
  rest: 50,
  locks: 2,
  limits: [1],
  ttl: 10_000,
  timeout: 5_000,
  faults: {},
  renewed: true,
};
const cluster = await startEtcdCluster();
const kind: StoreKind = { fenced: true, forfeits: [], setUp: () => etcdScene(cluster.nodes) };

let kills = 0;
const outcome = await run(kind, plan, async () => {
  for (const end = performance.now() + duration; performance.now() < end; ) {
    const leader = await cluster.leader();
    await leader.kill();
    kills += 1;
    await delay(5_000);
    await leader.restart();
    await delay(5_000);
  }
});
const { lost } = outcome.history.counts;
printTable({ elections: { 'leaders killed': kills, ...figuresOf(outcome) } });
if (tellViolations('elections', outcome) || lost > 0) process.exitCode = 1;
