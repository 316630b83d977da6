/** The warnings of this process, from the beginning of each test on. */
import { afterEach, beforeEach } from 'node:test';

/** Call it at the top of a test file; what it gives is emptied before each test. */
export function rememberWarnings(): readonly NodeJS.ErrnoException[] {
  const warnings: NodeJS.ErrnoException[] = [];
  const remember = (warning: Error) => void warnings.push(warning);
  beforeEach(() => {
    warnings.length = 0;
    process.on('warning', remember);
  });
  afterEach(() => void process.off('warning', remember));
  return warnings;
}
