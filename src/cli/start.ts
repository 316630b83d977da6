#!/usr/bin/env node
/**
 * Starts the command, unless this Node.js is too old for it. Nothing may be imported here that an
 * older one lacks, or cannot read; the build keeps the syntax old, too.
 */
import manifest from '../../package.json' with { type: 'json' };
import { exits } from './exits.js';

const [needed = ''] = /\d+\.\d+/.exec(manifest.engines.node) ?? [];

if (isOlder(process.versions.node, needed)) {
  const found = `this is ${process.versions.node}, ${process.execPath}`;
  process.stderr.write(`dlock: Node.js ${needed} or later is needed; ${found}\n`);
  process.exitCode = exits.internal;
} else {
  void import('./main.js');
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = than.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
