// What the hub and its worker processes say to each other over Node's IPC channel (structured clone: typed arrays cross as they are).
import type { ErrorBody } from '@sanderling/kit';
import type { Columns } from './tasks/columns.ts';

/** From the hub. `data`: keep these columns under the key and forget the keys of `drop`. */
export type ToWorker =
  | { readonly kind: 'data'; readonly key: string; readonly columns: Columns; readonly drop: readonly string[] }
  | { readonly kind: 'task'; readonly id: number; readonly name: string; readonly input: unknown };

/** From a worker. `message`: news from a task that goes on. */
export type FromWorker =
  | { readonly kind: 'message'; readonly id: number; readonly message: unknown }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorBody };
