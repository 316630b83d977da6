/** Opens the store of a URL many times at once, as the command does. Arguments: URL; how often. */
import assert from 'node:assert/strict';
import { placesOf } from '../../../src/cli/store-url.js';

const [url = '', count = ''] = process.argv.slice(2);
const openings = Array.from({ length: Number(count) }, async () => {
  const [place] = placesOf(url);
  const open = await place?.load();
  for (;;) {
    try {
      return await open?.({});
    } catch (error) {
      // On a busy machine fifty may take longer than one has time for.
      if (!/not connected within/.test(String(error))) throw error;
    }
  }
});
const stores = await Promise.all(openings);
for (const store of stores) assert.equal(await store?.release('job', 'nobody'), false);
// Standard output is mute here, as it is for the clients of the command.
process.stderr.write(`${stores.length} opened`, () => process.exit());
