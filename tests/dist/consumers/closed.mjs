/** Given specifiers that the package does not export, fails to get them by `import` and `require`. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const closed = { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' };
for (const specifier of process.argv.slice(2)) {
  await assert.rejects(import(specifier), closed, `import of ${specifier}`);
  assert.throws(() => require(specifier), closed, `require of ${specifier}`);
}
