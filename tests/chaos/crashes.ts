/**
 * `npm run crashes [-- etcd postgres mysql] [--seconds 180]`: kills a server every ten seconds, under eight
 * processes that contend for two locks: of three nodes of etcd the one that leads, which comes back five
 * seconds later; the only one of a database, which comes back at once. Exits with 1 if two valid leases
 * overlapped, fences were out of order, or a lease was lost that was renewed all the time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startEtcdCluster } from '../support/servers/etcd.js';
import { type Plan, run } from './machine.js';
import { figuresOf, printTable, tellViolations } from './report.js';
import { etcdScene, type Scene, type StoreKind, storeKinds } from './stores.js';

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

interface Subject {
  readonly kind: StoreKind;
  /** One crash, and the time until the next. */
  crash(scene: Scene): Promise<void>;
}

const database = (name: 'postgres' | 'mysql') => async (): Promise<Subject> => ({
  kind: storeKinds[name] as StoreKind,
  async crash({ servers: [server] }) {
    await server?.restart();
    await delay(10_000);
  },
});

const subjects: Readonly<Record<string, () => Promise<Subject>>> = {
  async etcd() {
    const cluster = await startEtcdCluster();
    return {
      kind: { fenced: true, forfeits: [], setUp: () => etcdScene(cluster.nodes) },
      async crash() {
        const leader = await cluster.leader();
        await leader.kill();
        await delay(5_000);
        await leader.restart();
        await delay(5_000);
      },
    };
  },
  postgres: database('postgres'),
  mysql: database('mysql'),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '180' } },
});
const duration = Number(values.seconds) * 1_000;
const names = positionals.length > 0 ? positionals : Object.keys(subjects);
if (!(duration > 0) || names.some((name) => !Object.hasOwn(subjects, name))) {
  console.error(`usage: npm run crashes [-- ${Object.keys(subjects).join(' ')}] [--seconds 180]`);
  process.exit(64);
}

const figures: Record<string, Record<string, string | number>> = {};
for (const name of names) {
  console.error(`${name}: ${duration / 1_000} seconds of crashes`);
  const { kind, crash } = await (subjects[name] as () => Promise<Subject>)();
  let crashes = 0;
  const outcome = await run(kind, plan, async ({ scene }) => {
    for (const end = performance.now() + duration; performance.now() < end; crashes++) {
      await crash(scene);
    }
  });
  figures[name] = { crashes, ...figuresOf(outcome) };
  if (tellViolations(name, outcome) || outcome.history.counts.lost > 0) process.exitCode = 1;
}
printTable(figures);
