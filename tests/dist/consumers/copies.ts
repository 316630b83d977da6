/**
 * Passes what one copy of the package made, ESM or CJS, to where the other copy's is wanted: the
 * compiler is the test.
 */
type EsmCore = typeof import('dlock-js', { with: { 'resolution-mode': 'import' }});
type EsmLease = import('dlock-js', { with: { 'resolution-mode': 'import' }}).Lease;
type EsmError = import('dlock-js', { with: { 'resolution-mode': 'import' }}).StoreError;
type EsmMemory = typeof import('dlock-js/memory', { with: { 'resolution-mode': 'import' }});
type CjsCore = typeof import('dlock-js', { with: { 'resolution-mode': 'require' }});
type CjsLease = import('dlock-js', { with: { 'resolution-mode': 'require' }}).Lease;
type CjsError = import('dlock-js', { with: { 'resolution-mode': 'require' }}).StoreError;
type CjsMemory = typeof import('dlock-js/memory', { with: { 'resolution-mode': 'require' }});

export async function cjsFromEsm(core: EsmCore, { MemoryStore }: CjsMemory): Promise<EsmLease[]> {
  const lease: CjsLease | null = await core.tryAcquire(new MemoryStore(), 'import');
  return lease ? [lease] : [];
}

export async function esmFromCjs(core: CjsCore, { MemoryStore }: EsmMemory): Promise<CjsLease[]> {
  const lease: EsmLease | null = await core.tryAcquire(new MemoryStore(), 'import');
  return lease ? [lease] : [];
}

export function errors(core: EsmCore, esm: EsmError, cjs: CjsError): [CjsError, EsmError, unknown] {
  return [esm, cjs, (cjs as unknown) instanceof core.StoreError];
}
