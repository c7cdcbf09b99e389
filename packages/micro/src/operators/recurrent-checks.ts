// What of recurrent layers is refused.
import { intAttribute, stringAttribute } from '@sanderling/onnx';
import type { Layer } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { activationNames, activations } from './recurrent-activations.ts';
import type { Cell } from './recurrent-cells.ts';
import { sizesOf } from './recurrent-sizes.ts';
import { constantOf, expectDims, inputOf } from './rule.ts';

function checkShapes(layer: Layer, gates: number): void {
  const { node } = layer;
  for (const [index, rank] of [3, 3, 3].entries())
    if (inputOf(layer, index).dims.length !== rank) invalid(node, `its input ${index} has no ${rank} dimensions`);
  const { batch, input, hidden, directions, batchFirst } = sizesOf(layer);
  const direction = stringAttribute(node, 'direction', 'forward');
  const wanted = { forward: 1, reverse: 1, bidirectional: 2 }[direction];
  if (wanted !== directions) invalid(node, `direction ${direction} does not go with ${directions} sets of weights`);
  if (intAttribute(node, 'hidden_size', hidden) !== hidden) invalid(node, 'hidden_size is not that of the weights');
  const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  expectDims(layer, 1, [directions, gates * hidden, input]);
  expectDims(layer, 2, [directions, gates * hidden, hidden]);
  expectDims(layer, 3, [directions, 2 * gates * hidden]);
  expectDims(layer, 5, state);
  expectDims(layer, 6, state);
  expectDims(layer, 7, [directions, 3 * hidden]);
}

export function checkRecurrent(layer: Layer, cell: Pick<Cell, 'gates' | 'defaults'>): void {
  const { defaults } = cell;
  const { node } = layer;
  const { steps } = sizesOf(layer);
  checkShapes(layer, cell.gates);
  const given = activationNames(layer, defaults).length;
  if (given !== defaults.length * sizesOf(layer).directions) invalid(node, `${given} activations were given`);
  for (const name of activationNames(layer, defaults))
    if (!Object.hasOwn(activations, name))
      unsupported(node, `the activation ${name}`, `use one of ${Object.keys(activations).join(', ')}`);
  const lengths = layer.inputs[4];
  if (lengths && !(lengths.data && constantOf(layer, 4)!.every((length) => length === steps)))
    unsupported(
      node,
      'sequences of different lengths (sequence_lens)',
      'leave sequence_lens out and feed full sequences',
    );
  if (intAttribute(node, 'input_forget', 0) === 1)
    unsupported(node, 'input_forget', 'export the model without coupled gates');
}
