// Small pieces that the rules of integer layers share.
import type { Lines } from '../emit/c-text.ts';
import type { Layer } from '../ir.ts';
import { invalid } from '../problems.ts';
import type { Desk } from '../operators/rule.ts';
import type { Geometry, IntegerWork, Scaling } from './work.ts';

/** The work that a layer was planned with. */
export function workOf<K extends IntegerWork['kind']>(layer: Layer, kind: K): Extract<IntegerWork, { kind: K }> {
  const { integer } = layer;
  if (integer?.kind !== kind) invalid(layer.node, `is no integer layer of the kind ${kind}`);
  return integer as Extract<IntegerWork, { kind: K }>;
}

/** Asks for helpers. */
export function need(desk: Desk, ...names: readonly string[]): void {
  for (const name of names) desk.helper(name);
}

/** The C prefix of the model, found from a helper's name. */
export function prefixOf(desk: Desk): string {
  return desk.helper('int8_within').replace(/int8_within$/, '');
}

/** ` + 3`, ` - 3`, or nothing. */
export function plus(number: number): string {
  return number === 0 ? '' : number < 0 ? ` - ${-number}` : ` + ${number}`;
}

/** `const NAME_scaling name = { … };`, not static since weights may come from a blob whose place is not known before. */
export function scalingText(desk: Desk, name: string, scaling: Scaling, stem = 'scaling'): Lines {
  need(desk, 'int8_scale', 'int8_within', 'int8_scaling');
  const parameters = desk.constant(stem, 'int32', scaling.parameters);
  const { channels, up, zero, low, high } = scaling;
  return [`const ${prefixOf(desk)}scaling ${name} = {${parameters}, ${channels}, ${up}, ${zero}, ${low}, ${high}};`];
}

/** Whether some tap of some output place lies outside the input. */
export function leaves(geometry: Geometry, axis: 0 | 1): boolean {
  const { input, output, kernel, strides, dilations, begins, step } = geometry;
  const last = (output[axis] - 1) * strides[axis] - begins[axis] + (kernel[axis] - 1) * dilations[axis];
  return begins[axis] > 0 || last >= (input[axis] - 1) * step[axis] + 1;
}
