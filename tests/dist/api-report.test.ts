/**
 * The public surface is written down in `api/`, a file for each subpath, so that every change of it is seen
 * in a diff. `npm run api`, after a build, writes it down anew.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Extractor, ExtractorConfig, type ExtractorMessage } from '@microsoft/api-extractor';
import subpaths from '../../subpaths.json' with { type: 'json' };
import { repository } from './consumer.js';

const isWritten = process.env.DLOCK_WRITE_API !== undefined;
const folder = join(repository, 'api');
if (isWritten) await mkdir(folder, { recursive: true });
const temporary = await mkdtemp(join(tmpdir(), 'dlock-api-'));
after(() => rm(temporary, { recursive: true }));

for (const subpath of Object.keys(subpaths)) {
  const entry = subpath.slice(2) || 'index';
  const report = `${entry}.api.md`;

  test(`api/${report} says what is exported`, () => {
    const configObject = {
      projectFolder: repository,
      mainEntryPointFilePath: join(repository, 'dist', `${entry}.d.ts`),
      newlineKind: 'lf' as const,
      compiler: {
        // As a user compiles: the core is what was built, not its source.
        overrideTsconfig: {
          compilerOptions: {
            target: 'ES2022',
            lib: ['ES2022', 'ESNext.Disposable'],
            module: 'NodeNext',
            types: ['node'],
            strict: true,
            skipLibCheck: true,
          },
        },
      },
      apiReport: {
        enabled: true,
        reportFolder: folder,
        reportTempFolder: temporary,
        reportFileName: report,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
    };
    const config = ExtractorConfig.prepare({
      configObject,
      configObjectFullPath: undefined,
      packageJsonFullPath: join(repository, 'package.json'),
    });
    const messages: string[] = [];
    const messageCallback = (message: ExtractorMessage) => {
      messages.push(message.text);
      message.handled = true;
    };
    const result = Extractor.invoke(config, { localBuild: isWritten, messageCallback });
    const isKept = isWritten || !result.apiReportChanged;
    assert.ok(isKept, `It has changed: run \`npm run api\`, and read what that changes`);
    assert.ok(result.succeeded, messages.join('\n'));
  });
}
