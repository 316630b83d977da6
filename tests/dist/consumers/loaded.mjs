/**
 * Imports and requires the given specifiers, and prints every script that was compiled meanwhile. It
 * asks V8 itself, through the inspector, so that no way of loading one escapes.
 */
import { Session } from 'node:inspector';
import { createRequire } from 'node:module';

const session = new Session();
session.connect();
session.on('Debugger.scriptParsed', ({ params }) => console.log(params.url));
session.post('Debugger.enable');

const require = createRequire(import.meta.url);
for (const specifier of process.argv.slice(2)) {
  await import(specifier);
  require(specifier);
}
