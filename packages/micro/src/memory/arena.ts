// Byte offsets in the arena: each block is live over a span of layers; blocks whose spans meet must not overlap. Several greedy orders, best wins.
import { createRandom } from '@sanderling/kit';

/** Something that needs `bytes` from layer `first` to layer `last`, both included. */
export interface Block {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Offsets in the order of the blocks; `bytes` of the whole; `bound`: the largest sum of blocks live at once, below which none can be. */
export interface Arena {
  readonly offsets: readonly number[];
  readonly bytes: number;
  readonly bound: number;
}

/** Every block starts at a multiple of this, which suits every element type. */
export const alignment = 8;

export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

type Order = (a: Block, b: Block) => number;

const orders: readonly Order[] = [
  (a, b) => b.bytes - a.bytes || a.first - b.first,
  (a, b) => b.bytes * (b.last - b.first + 1) - a.bytes * (a.last - a.first + 1),
  (a, b) => b.last - b.first - (a.last - a.first) || b.bytes - a.bytes,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
];

/** Random orders that are tried when no greedy one meets the bound; for more blocks than `fewBlocks` none. */
const tries = 300;
const fewBlocks = 64;

/** Packs blocks. Deterministic. */
export function packArena(blocks: readonly Block[]): Arena {
  const bound = lowerBound(blocks);
  const indices = blocks.map((_, i) => i);
  let best: { offsets: readonly number[]; bytes: number } | undefined;
  const attempt = (order: readonly number[]): boolean => {
    const found = place(blocks, order);
    if (!best || found.bytes < best.bytes) best = found;
    return best.bytes === bound;
  };
  const done = orders.some((order) => attempt(indices.toSorted((a, b) => order(blocks[a]!, blocks[b]!) || a - b)));
  if (!done && blocks.length <= fewBlocks) {
    const random = createRandom(1, 'arena');
    for (let i = 0; i < tries; i += 1) if (attempt(random.shuffle([...indices]))) break;
  }
  return { offsets: best?.offsets ?? [], bytes: best?.bytes ?? 0, bound };
}

/** The largest sum of aligned blocks that are live at the same layer: no layout can be smaller. */
export function lowerBound(blocks: readonly Block[]): number {
  const change = new Map<number, number>();
  const add = (at: number, bytes: number): void => void change.set(at, (change.get(at) ?? 0) + bytes);
  for (const { bytes, first, last } of blocks) {
    add(first, aligned(bytes));
    add(last + 1, -aligned(bytes));
  }
  let [live, most] = [0, 0];
  for (const [, bytes] of [...change].sort(([a], [b]) => a - b)) {
    live += bytes;
    most = Math.max(most, live);
  }
  return most;
}

/** Each block in turn takes the lowest gap that holds it among the placed blocks that it meets in time. */
function place(blocks: readonly Block[], order: readonly number[]): { offsets: readonly number[]; bytes: number } {
  const offsets: number[] = blocks.map(() => -1);
  let total = 0;
  const placed: number[] = [];
  for (const index of order) {
    const { bytes, first, last } = blocks[index]!;
    const near = placed
      .filter((other) => blocks[other]!.first <= last && blocks[other]!.last >= first)
      .sort((a, b) => offsets[a]! - offsets[b]!);
    let at = 0;
    for (const other of near) {
      if (offsets[other]! - at >= aligned(bytes)) break;
      at = Math.max(at, offsets[other]! + aligned(blocks[other]!.bytes));
    }
    offsets[index] = at;
    placed.push(index);
    total = Math.max(total, at + aligned(bytes));
  }
  return { offsets, bytes: total };
}
