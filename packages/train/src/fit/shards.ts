// Data that do not fit into memory at once: shards that come from files or a generator, the next one fetched while the present one is learnt.
import type { Dataset } from './runtime.ts';

/** Part of a data set: the reader's tensors and the samples of them to learn from. */
export interface Shard {
  readonly data: Dataset;
  readonly train: Int32Array;
}

/** The shards of an epoch counted from 1. Must give the same shards again for the same epoch, or a resumed training differs. */
export type Shards = (epoch: number) => AsyncIterable<Shard> | Iterable<Shard>;

/** The items of a source, each asked for while the one before it is in use; a source that is left early is closed. */
export async function* prefetched<T>(source: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let next = Promise.resolve(items.next());
  try {
    for (;;) {
      const item = await next;
      if (item.done === true) return;
      next = Promise.resolve(items.next());
      next.catch(() => undefined); // it is awaited in the next round, or never when the training ends before
      yield item.value;
    }
  } finally {
    await items.return?.();
  }
}
