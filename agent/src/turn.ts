// One at a time: work that awaits in the middle but must not be interleaved.

/** A queue of one lane. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything before it has ended, and returns what it returns. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
