// Sizes that layers go by.
import type { Value } from '@sanderling/onnx';
import { wrongSetting } from '../settings.ts';

/** One size for every axis of space, or one for each. */
export type PerAxis = number | readonly number[];

const shapeOf = (x: Value): string => x.shape?.join(', ') ?? '?';

/** The size of an axis that must be known. @throws INVALID_ARGUMENT when it is not. */
export function sizeOf(x: Value, axis: number): number {
  const dim = x.shape?.[axis];
  if (typeof dim === 'number') return dim;
  throw wrongSetting(`a layer needs to know axis ${axis} of ${x.name} [${shapeOf(x)}]`, x.name);
}

/** A setting for each axis of space. @throws INVALID_ARGUMENT when x has no space, or another number of axes. */
export function perAxis(x: Value, setting: PerAxis): number[] {
  const axes = (x.shape?.length ?? 0) - 2;
  if (axes < 1) throw wrongSetting(`${x.name} [${shapeOf(x)}] has no axis of space after batch and channels`, x.name);
  if (typeof setting === 'number') return Array.from({ length: axes }, () => setting);
  if (setting.length === axes) return [...setting];
  throw wrongSetting(`[${setting.join(', ')}] does not fit the ${axes} axes of space of ${x.name}`, x.name);
}
