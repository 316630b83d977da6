/**
 * Attends to the command while it runs under its lease, or leases: signals are handed on to it, and it is
 * stopped in time.
 */
import type { Lease, Leases } from '../index.js';
import type { Settings } from './arguments.js';
import { Command } from './command.js';
import { type Ending, exits } from './exits.js';
import { type Danger, guard } from './guard.js';
import type { Narrator } from './narrator.js';
import type { Signals } from './signals.js';
import { Witness } from './witness.js';

/**
 * Resolves to how the command ended; or, where it was stopped for want of a lease, to the exit code
 * that says so.
 *
 * @throws StartError, and Interrupted if a signal came before it was started.
 */
export async function attend(
  lease: Lease | Leases,
  settings: Settings,
  signals: Signals,
  narrator: Narrator,
): Promise<Ending> {
  signals.interruption.throwIfAborted();
  const witness = new Witness();
  const { fence } = 'of' in lease ? lease.of(settings.name) : lease;
  const command = new Command(settings, fence);
  signals.on('signal', (signal) => void handOn(signal, command, witness, narrator));
  const guarded = guard(lease, settings.ttl, settings.grace);
  try {
    narrator.tell('step', `the command runs as process ${command.pid}`);
    const first = await Promise.race([
      command.ended.then((ending) => ({ ending })),
      guarded.danger.then((danger) => ({ danger })),
    ]);
    if ('danger' in first) {
      tellOfDanger(first.danger, narrator);
      await stop(command, guarded.grace(), narrator);
      return exits.lost;
    }
    narrator.tell('step', `the command ended with ${first.ending}`);
    return first.ending;
  } finally {
    guarded.dismiss();
    witness.dismiss();
  }
}

async function handOn(
  signal: NodeJS.Signals,
  command: Command,
  witness: Witness,
  narrator: Narrator,
): Promise<void> {
  const groupWide = await witness.saw(signal);
  if (groupWide === undefined) return;
  narrator.tell('step', groupWide ? `${signal} reached the command too` : `${signal} is handed on`);
  if (!groupWide) command.signal(signal);
}

function tellOfDanger(danger: Danger, narrator: Narrator): void {
  const { trouble } = narrator;
  if (danger === 'unrenewed') {
    const why = trouble ?? 'the store does not answer';
    narrator.tell('error', `the lease could not be renewed in time (${why}); stopping the command`);
  } else {
    narrator.repeat(`${danger.message}${trouble ? ` (${trouble})` : ''}; stopping the command`);
  }
}

/** Stops the command, and says what of it may still run. */
async function stop(command: Command, grace: number, narrator: Narrator): Promise<void> {
  const { notOurs, unlisted } = await command.stop(grace);
  if (unlisted) {
    narrator.tell(
      'error',
      'the system does not list its processes; what the command started may still run',
    );
  }
  if (notOurs.length > 0) {
    narrator.tell('error', `not ours to stop, and may still run: process ${notOurs.join(', ')}`);
  } else {
    await command.ended;
  }
}
