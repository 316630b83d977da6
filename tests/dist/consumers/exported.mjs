/** Given every exported subpath, gets each by `import` and by `require`, and finds the same names. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
for (const specifier of process.argv.slice(2)) {
  const imported = await import(specifier);
  const required = require(specifier);
  assert.ok(Object.keys(imported).length > 0, `${specifier} exports nothing`);
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort(), specifier);
  assert.notEqual(imported, required, `${specifier} is the same module both ways`);
}
