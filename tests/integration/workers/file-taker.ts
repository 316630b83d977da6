/** Takes a lock of a FileStore, gives it back, and has nothing else to do. Argument: directory. */
import { FileStore } from 'dlock-js/file';

const store = new FileStore(process.argv[2] ?? '');
await store.acquire('import', 'a', 60_000);
await store.release('import', 'a');
process.disconnect();
