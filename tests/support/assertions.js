/**
 * To be loaded before tests that tsx compiles. For an `assert.ok` that fails without a message, Node.js
 * looks for the expression in the source, at a line that is right in the compiled code alone; while it
 * parses on and on, the event loop stands still, for minutes, and every other test of the file fails.
 */
import assert from 'node:assert/strict';

const { ok } = assert;
assert.ok = (value, message = 'The expression evaluated to a falsy value') => ok(value, message);
