/** Handles that their callers drop without a word, as only the garbage collector can tell. */

export class HandleWatch {
  static readonly #collected = new FinalizationRegistry<HandleWatch>((watch) => watch.#onDropped());

  readonly #onDropped: () => void;
  /** Until it is watched: from then on nothing here may keep it alive. */
  #handle: WeakKey | undefined;

  /** @param onDropped must not know the handle, which would then never be collected. */
  constructor(handle: WeakKey, onDropped: () => void) {
    this.#handle = handle;
    this.#onDropped = onDropped;
  }

  /** Watches from now on, if it does not yet. That is not free, and most handles are short-lived. */
  begin(): void {
    if (!this.#handle) return;
    HandleWatch.#collected.register(this.#handle, this, this);
    this.#handle = undefined;
  }

  end(): void {
    if (!this.#handle) HandleWatch.#collected.unregister(this);
    this.#handle = undefined;
  }
}
