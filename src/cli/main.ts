/** The command `dlock`: runs another command while holding a lock. See docs/cli.md. */
import { readArguments, UsageError } from './arguments.js';
import { refuseChangedText } from './encoding.js';
import { end } from './ending.js';
import { type Ending, exits } from './exits.js';
import { help, version } from './help.js';
import { Messages } from './messages.js';
import { Run } from './run.js';
import { Signals } from './signals.js';
import { secretsOf } from './store-url.js';

const messages = new Messages();

async function main(): Promise<Ending> {
  const settings = readArguments(process.argv.slice(2), process.env);
  if (settings === 'help') return print(help);
  if (settings === 'version') return print(`${version}\n`);
  refuseChangedText();
  messages.volume = settings.volume;
  const secrets = secretsOf(settings.store ?? '');
  messages.scrub = (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return new Run(settings, messages, new Signals()).ending();
}

function print(text: string): Promise<number> {
  return new Promise((resolve) => {
    process.stdout.on('error', () => resolve(exits.success));
    process.stdout.write(text, () => resolve(exits.success));
  });
}

function explain(error: unknown): number {
  if (error instanceof UsageError) {
    messages.error(`${error.message} (see dlock --help)`);
    return exits.usage;
  }
  messages.error(`an error in dlock: ${error instanceof Error ? error.stack : error}`);
  return exits.internal;
}

// What Node.js and the clients warn of is not for the user of a command.
process.removeAllListeners('warning');
// A client that throws where nobody catches must not leave the command behind, without a guard.
process.on('uncaughtException', explain);
// The timers of the core keep no process alive.
const alive = setInterval(() => {}, 60_000);
main()
  .catch(explain)
  .then(async (ending) => {
    clearInterval(alive);
    await messages.flushed();
    end(ending);
  });
