/** Servers from Debian's packages, where the tests run as root: in containers and fresh machines. */
import { execa } from 'execa';
import type { ServerKind } from './kinds.js';
import { works } from './processes.js';

/** Several test processes may come here at once; the lock lets one install, for all. */
const lock = '/run/dlock-tests.lock';

/** $1: program, $2: package. While policy-rc.d answers 101, no package starts its service. */
const script = `
command -v "$1" && exit
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap "rm $policy" EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update || true
apt-get install -y --no-install-recommends "$2"`;

/** @throws an Error that says why that cannot be. */
export async function install({
  program,
  debianPackage,
}: Pick<ServerKind, 'program' | 'debianPackage'>): Promise<void> {
  const missing = `there is no ${program} on PATH, and it cannot be installed`;
  if (process.getuid?.() !== 0) throw new Error(`${missing} by anybody but root`);
  if (!(await works(['apt-get', '--version']))) throw new Error(`${missing} without apt-get`);
  const { failed, all } = await execa(
    'flock',
    [lock, 'sh', '-euc', script, 'sh', program, debianPackage],
    { all: true, reject: false, stdin: 'ignore' },
  );
  if (failed) throw new Error(`${missing}: ${all}`);
}
