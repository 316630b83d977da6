/** The command `dlock`: runs another command while holding a lock. See docs/cli.md. */
import { readArguments, type Settings, UsageError } from './arguments.js';
import { refuseChangedText } from './encoding.js';
import { end } from './ending.js';
import { type Ending, exits } from './exits.js';
import { withHint } from './explain.js';
import { help, version } from './help.js';
import { Messages } from './messages.js';
import { run } from './run.js';
import { secretsOf } from './store-url.js';

async function main(): Promise<Ending> {
  try {
    const settings = readArguments(process.argv.slice(2), process.env);
    if (settings === 'help') return await print(help);
    if (settings === 'version') return await print(`${version}\n`);
    refuseChangedText();
    return await runAs(settings);
  } catch (error) {
    const messages = new Messages();
    const exit = report(error, messages);
    await messages.flushed();
    return exit;
  }
}

async function runAs(settings: Settings): Promise<Ending> {
  const messages = new Messages(settings.volume, secretsOf(settings.store ?? ''));
  // A client that throws where nobody catches must not leave the command behind, without a guard.
  process.on('uncaughtException', (error) => report(error, messages));
  const ending = await run(settings, messages).catch((error) => report(error, messages));
  await messages.flushed();
  return ending;
}

/** What has nothing to do with any lock. */
function report(error: unknown, messages: Messages): number {
  if (error instanceof UsageError) {
    messages.write('error', withHint(error));
    return exits.usage;
  }
  messages.write('error', `an error in dlock: ${error instanceof Error ? error.stack : error}`);
  return exits.internal;
}

function print(text: string): Promise<number> {
  return new Promise((resolve) => {
    process.stdout.on('error', () => resolve(exits.success));
    process.stdout.write(text, () => resolve(exits.success));
  });
}

// What Node.js and the clients warn of is not for the user of a command.
process.removeAllListeners('warning');
// The timers of the core keep no process alive.
const alive = setInterval(() => {}, 60_000);
main().then((ending) => {
  clearInterval(alive);
  end(ending);
});
