// The sizes of a recurrent layer.
import { intAttribute } from '@sanderling/onnx';
import type { Layer } from '../ir.ts';
import { inputOf } from './rule.ts';

/** Sizes of a recurrent layer. */
export interface Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly input: number;
  readonly hidden: number;
  readonly directions: number;
  readonly batchFirst: boolean;
}

export function sizesOf(layer: Layer): Sizes {
  const { dims } = inputOf(layer, 0);
  const r = inputOf(layer, 2);
  const batchFirst = intAttribute(layer.node, 'layout', 0) === 1;
  const [steps, batch] = batchFirst ? [dims[1]!, dims[0]!] : [dims[0]!, dims[1]!];
  return { steps, batch, input: dims[2]!, hidden: r.dims[2]!, directions: r.dims[0]!, batchFirst };
}
