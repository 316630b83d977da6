/** Servers from Debian's packages, where the tests run as root: in containers and fresh machines. */
import { execa } from 'execa';
import type { ServerKind } from './kinds.js';
import { works } from './processes.js';

/** Several test processes may come here at once; the lock lets one install, for all. */
const lock = '/run/dlock-tests.lock';

/**
 * $1: program, $2: package. While policy-rc.d answers 101, no package starts its service. Parts of an
 * installation run as other users, who may have no access to root's own TMPDIR.
 */
const script = `
command -v "$1" && exit
unset TMPDIR
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap "rm $policy" EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update || true
apt-get install -y --no-install-recommends "$2"`;

/** A program, and the package that brings it. */
export type Program = Pick<ServerKind, 'program' | 'debianPackage'>;

/**
 * Sees to it that there is the program on PATH.
 *
 * @throws an Error that says why that cannot be.
 */
export async function provide(needed: Program): Promise<void> {
  const { exitCode } = await execa('which', [needed.program], { reject: false, stdin: 'ignore' });
  if (exitCode !== 0) await install(needed);
}

/** @throws an Error that says why that cannot be. */
export async function install({ program, debianPackage }: Program): Promise<void> {
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
