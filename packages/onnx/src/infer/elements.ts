// Following the elements of small tensors through operators that pick and move them: how the pads and sizes that exporters compute become known.
import { elementCount, type Dim } from '../ir.ts';
import { maxFollowed, type Fact } from './facts.ts';

type Elements = readonly Dim[];

/** The sizes of a value whose elements are followed; undefined where they are not. */
function followed({ shape, values }: Fact): { dims: readonly number[]; values: Elements } | undefined {
  if (!values || !shape?.every((dim) => typeof dim === 'number')) return undefined;
  return elementCount(shape) === values.length ? { dims: shape, values } : undefined;
}

/** The elements at chosen places of each axis (undefined: all of them, in order), row-major. */
export function picked(of: Fact, places: readonly (readonly number[] | undefined)[]): Elements | undefined {
  const known = followed(of);
  if (!known) return undefined;
  const { dims, values } = known;
  const chosen = dims.map((size, axis) => places[axis] ?? Array.from({ length: size }, (_, i) => i));
  if (chosen.some((one, axis) => one.some((place) => place < 0 || place >= dims[axis]!))) return undefined;
  if (chosen.reduce((count, one) => count * one.length, 1) > maxFollowed) return undefined;
  const at = chosen.reduce<number[]>(
    (offsets, one, axis) => offsets.flatMap((offset) => one.map((place) => offset * dims[axis]! + place)),
    [0],
  );
  return at.map((offset) => values[offset]);
}

/** The elements with the axes in another order, row-major. */
export function permuted(of: Fact, order: readonly number[]): Elements | undefined {
  const known = followed(of);
  if (!known) return undefined;
  const { dims, values } = known;
  const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
  const at = order.reduce<number[]>(
    (offsets, axis) =>
      offsets.flatMap((offset) => Array.from({ length: dims[axis]! }, (_, i) => offset + i * strides[axis]!)),
    [0],
  );
  return at.map((offset) => values[offset]);
}
