/** What the user wants, read from the arguments and the environment of the command. */
import { parseArgs } from 'node:util';
import ms, { type StringValue } from 'ms';
import { shown } from '../base/shown.js';

/** The arguments of the user are invalid. */
export class UsageError extends Error {}

export type Volume = 'quiet' | 'normal' | 'verbose';

/** All times are in milliseconds. */
export interface Settings {
  readonly name: string;
  /** The locks to be held besides. */
  readonly also: readonly string[];
  readonly command: string;
  readonly commandArguments: string[];
  /** The URL of the store; undefined: the directory of the user. */
  readonly store: string | undefined;
  /** What the store's keys begin with; undefined: as in the library. */
  readonly prefix: string | undefined;
  readonly ttl: number;
  readonly wait: number;
  readonly minHold: number;
  /** How many may hold the lock at once. */
  readonly limit: number;
  /** Undefined: not once per period, only one at a time. */
  readonly period: string | undefined;
  readonly retain: number;
  readonly heldExit: number;
  /** How long the command has to end after SIGTERM. */
  readonly grace: number;
  readonly volume: Volume;
}

const options = {
  store: { type: 'string' },
  prefix: { type: 'string' },
  ttl: { type: 'string', default: '30s' },
  wait: { type: 'string', default: '0' },
  'min-hold': { type: 'string', default: '0' },
  also: { type: 'string', multiple: true },
  limit: { type: 'string', short: 'n' },
  shared: { type: 'boolean' },
  once: { type: 'string' },
  retain: { type: 'string' },
  'conflict-exit-code': { type: 'string', short: 'E', default: '75' },
  grace: { type: 'string', default: '5s' },
  quiet: { type: 'boolean', short: 'q' },
  verbose: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** @throws UsageError with one line that says what was received, and what would do. */
export function readArguments(
  argv: string[],
  environment: NodeJS.ProcessEnv,
): Settings | 'help' | 'version' {
  const { ours, theirs } = split(argv);
  const { values, positionals } = parse(ours);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const { name, command, commandArguments } = readCommand(positionals, theirs, values.once);
  if (values.retain !== undefined && values.once === undefined) {
    throw new UsageError('--retain says for how long --once remembers: there is no --once');
  }
  if (values.once === '') {
    throw new UsageError('the period of --once is empty; name one, as in --once 2026-11-24T05');
  }
  if (values.limit !== undefined && values.shared) {
    throw new UsageError('choose one of --limit and --shared');
  }
  const limit = values.shared ? Number.POSITIVE_INFINITY : readLimit(values.limit ?? '1');
  if (limit > 1 && values.once !== undefined) {
    throw new UsageError('a period of --once is run by one: it takes no --limit and no --shared');
  }
  const { also = [] } = values;
  if (also.includes('')) throw new UsageError('the name of --also is empty');
  if (also.length > 0 && values.once !== undefined) {
    throw new UsageError('a period of --once is of one lock: it takes no --also');
  }
  if (values.quiet && values.verbose) throw new UsageError('choose one of -q and -v');
  if (values.store === '') throw new UsageError('the URL of --store is empty');
  return {
    name,
    also,
    command,
    commandArguments,
    store: values.store ?? (environment.DLOCK_STORE || undefined),
    prefix: values.prefix,
    ttl: readDuration('--ttl', values.ttl, 1),
    wait:
      values.wait === 'forever' ? Number.POSITIVE_INFINITY : readDuration('--wait', values.wait),
    minHold: readDuration('--min-hold', values['min-hold']),
    limit,
    period: values.once,
    retain: readDuration('--retain', values.retain ?? '24h'),
    heldExit: readExitCode(values['conflict-exit-code']),
    grace: readDuration('--grace', values.grace),
    volume: values.quiet ? 'quiet' : values.verbose ? 'verbose' : 'normal',
  };
}

/** The first `--` parts our arguments from the command; or the second, if the name is in between. */
function split(argv: string[]): { ours: string[]; theirs: string[] | undefined } {
  const end = argv.indexOf('--');
  if (end < 0) return { ours: argv, theirs: undefined };
  return { ours: argv.slice(0, end), theirs: argv.slice(end + 1) };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const [firstSentence] = (error as Error).message.split(/\.?\s*\n|\. /);
    throw new UsageError(firstSentence);
  }
}

/** A name that looks like an option may stand behind a `--` of its own: `dlock -- -name -- command`. */
function readCommand(
  positionals: string[],
  theirs: string[] | undefined,
  period: string | undefined,
) {
  const between = positionals.length === 0 && theirs?.[1] === '--';
  const [name, ...more] = between ? theirs.slice(0, 1) : positionals;
  const [command, ...commandArguments] = (between ? theirs.slice(2) : theirs) ?? [];
  if (name === undefined) {
    const taken = period === undefined ? '' : `; --once took ${shown(period)} for the period`;
    throw new UsageError(`the name of the lock is missing${taken}`);
  }
  if (name === '') throw new UsageError('the name of the lock is empty');
  if (theirs === undefined) {
    throw new UsageError('put -- between the name of the lock and the command');
  }
  if (more.length > 0) {
    throw new UsageError(`one name of a lock is expected before --, not ${more.length + 1} words`);
  }
  if (!command) throw new UsageError('the command to run is missing, after --');
  return { name, command, commandArguments };
}

function readDuration(option: string, text: string, least = 0): number {
  const plain = /^[\d.]+\s*[a-z]+$|^0$/i.test(text) && text.length <= 100;
  const duration = plain ? Math.round(ms(text as StringValue)) : Number.NaN;
  if (duration >= least && Number.isSafeInteger(duration)) return duration;
  const forever = option === '--wait' ? ', or forever' : '';
  throw new UsageError(
    `${option} is a duration such as 500ms, 30s, 5m or 1h${forever}, not ${shown(text)}`,
  );
}

function readLimit(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (limit >= 1 && Number.isSafeInteger(limit)) return limit;
  throw new UsageError(`--limit is a whole number, at least 1, not ${shown(text)}`);
}

function readExitCode(text: string): number {
  const code = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (code <= 255) return code;
  throw new UsageError(`--conflict-exit-code is a number from 0 to 255, not ${shown(text)}`);
}
