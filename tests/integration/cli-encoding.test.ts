/** Arguments and variables that are not UTF-8, which Node.js would change. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { assertLine, cli, fileStore } from '../support/command.js';

/** A shell runs `script` with dlock as its arguments: it alone can write any bytes. */
function shell(script: string, store = fileStore()) {
  return execa('sh', ['-c', script, 'sh', process.execPath, cli], {
    env: { DLOCK_STORE: store, LC_ALL: 'C' },
    reject: false,
    stripFinalNewline: false,
  });
}

const latin1 = `"$(printf 'caf\\351')"`;

describe('what is not UTF-8 is refused, and nothing is run: 64', { concurrency: 3 }, () => {
  for (const [what, script, named] of [
    ['the name of the lock', `"$@" ${latin1} -- echo`, /: argument 1 is not UTF-8/],
    ['an option', `"$@" --once ${latin1} job -- echo`, /: argument 2 is not UTF-8/],
    ['an argument of the command', `"$@" job -- echo a ${latin1}`, /: argument 5 is not UTF-8/],
    ['a lone surrogate', `"$@" job -- echo "$(printf '\\355\\240\\200')"`, /: argument 4 is/],
    ['a variable', `SECRET=${latin1} "$@" job -- echo`, /: the variable SECRET is not UTF-8/],
    ['the name of one', `env ${latin1}=1 "$@" job -- echo`, /: the variable caf.* is not UTF-8/],
  ] as const) {
    test(what, async () => {
      const store = fileStore();
      const outcome = await shell(script, store);
      assert.deepEqual([outcome.exitCode, outcome.stdout], [64, '']);
      assertLine(outcome, named);
      await assert.rejects(readdir(fileURLToPath(store)), { code: 'ENOENT' });
    });
  }

  test('a value is not shown: it may be a password', async () => {
    const url = `"$(printf 'redis://:secret\\351@127.0.0.1')"`;
    for (const script of [
      `DLOCK_STORE=${url} "$@" job -- echo`,
      `"$@" --store ${url} job -- echo`,
    ]) {
      const { exitCode, stderr } = await shell(script);
      assert.equal(exitCode, 64);
      assert.doesNotMatch(String(stderr), /secret/);
    }
  });
});

test('what is UTF-8 reaches the command as it is, the sign for what is not included', async () => {
  const text = 'é \ufffd 語 😀';
  const script = `TEXT='${text}' "$@" '${text}' -- sh -c 'printf "%s\n" "$1" "$TEXT" "$DLOCK_NAME"' sh '${text}'`;
  const { exitCode, stdout } = await shell(script);
  assert.deepEqual([exitCode, stdout], [0, `${text}\n`.repeat(3)]);
});

test('where the system does not show the bytes, U+FFFD could be anything, and is refused', async (t) => {
  const unshared = ['--mount', 'sh', '-c'];
  const { failed } = await execa('unshare', [...unshared, 'true'], { reject: false });
  if (failed) return t.skip('only root may hide /proc');
  for (const [script, expected] of [
    [`"$@" 'a\ufffd' -- true`, [64, /: argument 1 holds U\+FFFD/]],
    [`A='a\ufffd' "$@" job -- true`, [64, /: the variable A holds U\+FFFD/]],
    [`A=é "$@" é -- true`, [0, /^$/]],
  ] as const) {
    const hidden = `mount -t tmpfs none /proc; ${script}`;
    const command = [...unshared, hidden, 'sh', process.execPath, cli];
    const outcome = await execa('unshare', command, {
      env: { DLOCK_STORE: fileStore() },
      reject: false,
    });
    assert.equal(outcome.exitCode, expected[0]);
    assert.match(String(outcome.stderr), expected[1]);
  }
});

test('--help needs no environment that is UTF-8', async () => {
  const { exitCode, stdout } = await shell(`A=${latin1} "$@" --help`);
  assert.equal(exitCode, 0);
  assert.match(String(stdout), /^Usage: dlock/);
});
