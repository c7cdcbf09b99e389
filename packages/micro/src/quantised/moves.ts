// Operators that only move elements, on codes: the same operator on the integer twin.
import { intsAttribute, tensorOf } from '@sanderling/onnx';
import type { Layer, Value } from '../ir.ts';
import { realsOf } from './constants.ts';
import { firstOrder, lastOrder, shuffle, type Draft, type Twin } from './draft.ts';
import { codeOf } from './fixed-point.ts';
import { maxPoolWork } from './plan-elementwise.ts';

/** Operators that give elements of their first input, whatever the numbers are. */
const movers: ReadonlySet<string> = new Set(
  'Reshape Flatten Squeeze Unsqueeze Identity Dropout Transpose Slice Split Gather Expand Tile DepthToSpace SpaceToDepth Pad Resize MaxPool GlobalMaxPool'.split(
    ' ',
  ),
);

export function isMover(layer: Layer): boolean {
  if (!movers.has(layer.operator)) return false;
  if (layer.operator !== 'Resize') return true;
  const mode = layer.node.attributes['mode'];
  return mode === undefined || (mode.type === 'string' && String(mode.value) === 'nearest');
}

/** The twin of one output of a mover; all its outputs get theirs. Undefined where it does more than move. */
export function movedTwin(draft: Draft, layer: Layer, output: Value, x: Twin): Twin | undefined {
  if (layer.operator === 'Transpose') return turned(draft, layer, x);
  if (layer.operator === 'MaxPool' || layer.operator === 'GlobalMaxPool') return pooled(draft, layer, x);
  if (isFlattening(layer, x)) return flattened(draft, layer, x);
  const inputs = layer.operator === 'Pad' ? paddedInputs(draft, layer, x) : layer.inputs;
  if (!inputs) return undefined;
  const { dtype, quantisation } = x;
  const outputs = layer.outputs.map(
    (value) => value && draft.define(value.name, { dtype, quantisation, dims: value.dims }),
  );
  draft.emit(layer, layer.operator, { inputs: [draft.form(x, 'plain', layer), ...inputs.slice(1)], outputs });
  for (const [i, value] of layer.outputs.entries()) if (value) draft.twins.set(value, draft.twin(outputs[i]!, 'plain'));
  return draft.twins.get(output);
}

const order = (layer: Layer, rank: number): readonly number[] =>
  intsAttribute(layer.node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);

/** A Transpose between the layouts costs nothing. */
function turned(draft: Draft, layer: Layer, x: Twin): Twin {
  const { dtype, quantisation, dims } = x;
  const out = layer.outputs[0]!;
  const perm = order(layer, dims.length);
  const rank = dims.length;
  const make = (inner: 'plain' | 'last'): Twin => {
    const value = draft.form(x, inner, layer);
    return { dims: out.dims, dtype, quantisation, forms: new Map([[inner === 'last' ? 'plain' : 'last', value]]) };
  };
  if (rank >= 3 && rank <= 4 && perm.join() === lastOrder(rank).join()) return make('last');
  if (rank >= 3 && rank <= 4 && perm.join() === firstOrder(rank).join()) return make('plain');
  const value = draft.define(out.name, { dtype, quantisation, dims: out.dims });
  draft.emit(layer, 'Transpose', { inputs: [draft.form(x, 'plain', layer)], outputs: [value] });
  return draft.twin(value, 'plain');
}

function pooled(draft: Draft, layer: Layer, x: Twin): Twin | undefined {
  const work = x.dtype === 'int8' && !layer.outputs[1] ? maxPoolWork(layer) : undefined;
  if (!work) return undefined;
  const { dims } = layer.outputs[0]!;
  const to = { dtype: 'int8', quantisation: x.quantisation, dims: lastDims(dims) } as const;
  const value = draft.add(layer, 'Int8MaxPool', { to, inputs: [draft.form(x, 'last', layer)], work });
  return draft.twin(value, 'last', dims);
}

export const lastDims = (dims: readonly number[]): readonly number[] => [dims[0]!, ...dims.slice(2), dims[1]!];

/** [n, c, …] to [n, everything]. */
function isFlattening(layer: Layer, { dims, forms }: Twin): boolean {
  const out = layer.outputs[0]!.dims;
  const reshapes = layer.operator === 'Reshape' || layer.operator === 'Flatten' || layer.operator === 'Squeeze';
  return (
    reshapes && dims.length >= 3 && out.length === 2 && out[0] === dims[0] && !forms.has('plain') && forms.has('last')
  );
}

/** The elements stay with their channels last; what reads them may know how they lie, or have them straightened. */
function flattened(draft: Draft, layer: Layer, x: Twin): Twin {
  const { dtype, quantisation } = x;
  const { dims, name } = layer.outputs[0]!;
  const from = x.forms.get('last')!;
  const value = shuffle(draft.define(name, { dtype, quantisation, dims }), from.dims);
  draft.emit(layer, 'Reshape', { inputs: [from], outputs: [value] });
  const ordered = from.dims.at(-1) === 1 || from.dims.slice(1, -1).every((size) => size === 1);
  return { dims, dtype, quantisation, forms: new Map([[ordered ? 'plain' : 'shuffled', value]]) };
}

/** The padding value as a code; undefined if it is not constant. */
function paddedInputs(draft: Draft, layer: Layer, x: Twin): readonly (Value | undefined)[] | undefined {
  const mode = layer.node.attributes['mode'];
  const constant = mode === undefined || (mode.type === 'string' && String(mode.value) === 'constant');
  if (!constant) return [layer.inputs[0], layer.inputs[1], undefined, layer.inputs[3]];
  const given = layer.inputs[2];
  const attribute = layer.node.attributes['value'];
  const real = given ? realsOf(draft, given)?.[0] : attribute?.type === 'float' ? attribute.value : 0;
  if (real === undefined || x.dtype !== 'int8') return undefined;
  const data = tensorOf('int8', [], [codeOf(real, x.quantisation)]);
  const value = draft.define(`${layer.name}_padding`, { dtype: 'int8', dims: [], role: 'constant', data });
  return [layer.inputs[0], layer.inputs[1], value, layer.inputs[3]];
}
