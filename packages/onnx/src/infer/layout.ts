// Inference of operators that move elements about: reshape, transpose, join, split, pad, resize.
import { intAttribute, intsAttribute, floatsAttribute, stringAttribute } from '../attributes.ts';
import type { Dim, Shape } from '../ir.ts';
import {
  has,
  input,
  knownScalar,
  knownValues,
  like,
  listOf,
  optionalInput,
  shapeFrom,
  type Call,
  type Rule,
} from './call.ts';
import { permuted } from './elements.ts';
import {
  axisOf,
  broadcast,
  exactQuotient,
  fact,
  maxFollowed,
  mergeDim,
  mismatch,
  multiply,
  plus,
  productOf,
  sumOf,
  unknownDims,
  type Fact,
} from './facts.ts';

const reshape: Rule = (call) => {
  const of = input(call, 0);
  const target = call.opset < 5 ? intsAttribute(call.node, 'shape') : input(call, 1).values;
  if (!target) return like(of, shapeFrom(optionalInput(call, 1)));
  const zeroIsZero = intAttribute(call.node, 'allowzero') === 1;
  const dims = target.map((size, i): Dim => (size === 0 && !zeroIsZero ? of.shape?.[i] : size));
  const hole = dims.indexOf(-1);
  if (hole >= 0)
    dims[hole] = remaining(
      of.shape,
      dims.filter((_, i) => i !== hole),
    );
  else checkCount(of.shape, dims);
  return like(of, dims, of.values);
};

function checkCount(from: Shape | undefined, to: Shape): void {
  const [a, b] = [from && productOf(from), productOf(to)];
  if (typeof a === 'number' && typeof b === 'number' && a !== b)
    mismatch(`[${from!.join(', ')}] has ${a} elements and [${to.join(', ')}] ${b}`);
}

/** The one dimension of a reshape that is left open: product(whole) / product(parts). */
function remaining(whole: Shape | undefined, parts: Shape): Dim {
  if (!whole) return undefined;
  const [count, rest] = [productOf(whole), productOf(parts)];
  if (rest === 0) return count === 0 ? 0 : undefined;
  if (typeof count === 'number' && typeof rest === 'number' && count % rest !== 0)
    mismatch(`${count} elements are not divisible by ${rest}`);
  return exactQuotient(count, rest) ?? exactQuotient(...withoutCommon(whole, parts));
}

/** Both products without the dimensions that stand on both sides, so that an unknown one elsewhere does no harm. */
function withoutCommon(whole: Shape, parts: Shape): [Dim, Dim] {
  const rest = [...whole];
  const left = parts.filter((part) => {
    const at = part === undefined ? -1 : rest.indexOf(part);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return [productOf(rest), productOf(left)];
}

const transpose: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return like(of, undefined);
  const rank = of.shape.length;
  const order = intsAttribute(call.node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (order.length !== rank) mismatch(`perm has ${order.length} axes and the input ${rank}`);
  const shape = order.map((axis) => of.shape![axisOf(axis, rank)]);
  return like(
    of,
    shape,
    permuted(
      of,
      order.map((axis) => axisOf(axis, rank)),
    ),
  );
};

const flatten: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return like(of, unknownDims(2));
  const axis = intAttribute(call.node, 'axis', 1);
  const at = axis < 0 ? axis + of.shape.length : axis;
  return like(of, [productOf(of.shape.slice(0, at)), productOf(of.shape.slice(at))], of.values);
};

const squeeze: Rule = (call) => {
  const of = input(call, 0);
  const axes = listOf(call, 'axes', 1);
  if (!of.shape || (has(call, 1) && !axes)) return like(of, undefined, of.values);
  const rank = of.shape.length;
  if (!axes) {
    const sure = of.shape.every((dim) => typeof dim === 'number');
    return like(of, sure ? of.shape.filter((dim) => dim !== 1) : undefined, of.values);
  }
  const gone = new Set(axes.map((axis) => axisOf(axis, rank)));
  for (const axis of gone) {
    const dim = of.shape[axis];
    if (typeof dim === 'number' && dim !== 1) mismatch(`axis ${axis} has size ${dim} and cannot be squeezed`);
  }
  return like(
    of,
    of.shape.filter((_, i) => !gone.has(i)),
    of.values,
  );
};

const unsqueeze: Rule = (call) => {
  const of = input(call, 0);
  const axes = listOf(call, 'axes', 1);
  if (!of.shape || !axes) return like(of, undefined, of.values);
  const rank = of.shape.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  if (added.size !== axes.length) mismatch('an axis is there twice');
  const dims = of.shape[Symbol.iterator]();
  const shape = Array.from({ length: rank }, (_, i): Dim => (added.has(i) ? 1 : dims.next().value));
  return like(of, shape, of.values);
};

const expand: Rule = (call) => {
  const of = input(call, 0);
  const shape = shapeFrom(input(call, 1));
  const out = shape && broadcast(of.shape, shape);
  const count = out && productOf(out);
  const fill = of.values?.length === 1 && typeof count === 'number' && count <= maxFollowed;
  return like(of, out, fill ? Array.from({ length: count }, () => of.values![0]) : undefined);
};

const tile: Rule = (call) => {
  const of = input(call, 0);
  const repeats = optionalInput(call, 1).values;
  if (!of.shape) return like(of, undefined);
  if (!repeats) return like(of, unknownDims(of.shape.length));
  if (repeats.length !== of.shape.length) mismatch(`${repeats.length} repeats for rank ${of.shape.length}`);
  return like(
    of,
    of.shape.map((dim, i) => multiply(dim, repeats[i])),
  );
};

const concat: Rule = (call) => {
  const facts = call.inputs.filter((of) => of !== undefined);
  const first = facts[0] ?? mismatch('there are no inputs');
  const ranked = facts.find((of) => of.shape);
  if (!ranked) return like(first, undefined);
  const rank = ranked.shape!.length;
  const axis = axisOf(intAttribute(call.node, 'axis', 1), rank);
  for (const of of facts)
    if (of.shape && of.shape.length !== rank) mismatch(`the inputs have ${rank} and ${of.shape.length} dimensions`);
  const shape = Array.from({ length: rank }, (_, i) =>
    i === axis
      ? sumOf(facts.map((of) => of.shape?.[i]))
      : facts.reduce<Dim>((dim, of) => mergeDim(dim, of.shape?.[i]), undefined),
  );
  const followed = rank === 1 && facts.every((of) => of.values !== undefined);
  return like(first, shape, followed ? facts.flatMap((of) => of.values) : undefined);
};

const split: Rule = (call) => {
  const of = input(call, 0);
  const parts = call.node.outputs.length;
  if (!of.shape) return Array.from({ length: parts }, () => like(of, undefined));
  const axis = axisOf(intAttribute(call.node, 'axis', 0), of.shape.length);
  const sizes = listOf(call, 'split', 1) ?? (has(call, 1) ? undefined : equalParts(of.shape[axis], parts));
  const total = of.shape[axis];
  if (sizes && typeof total === 'number' && sizes.every((size) => size !== undefined) && sumOf(sizes) !== total)
    mismatch(`parts of ${sizes.join(' + ')} do not make ${total}`);
  let start = 0;
  return Array.from({ length: parts }, (_, i) => {
    const size = sizes?.[i];
    const values = of.shape!.length === 1 && size !== undefined ? of.values?.slice(start, (start += size)) : undefined;
    return like(
      of,
      of.shape!.map((dim, d) => (d === axis ? size : dim)),
      values,
    );
  });
};

function equalParts(total: Dim, parts: number): readonly (number | undefined)[] {
  if (typeof total !== 'number') return [];
  const size = Math.ceil(total / parts);
  return Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(size, total - i * size)));
}

const pad: Rule = (call) => {
  const of = input(call, 0);
  const pads = intsAttribute(call.node, 'pads') ?? intsAttribute(call.node, 'paddings') ?? knownValues(call.inputs[1]);
  if (!of.shape) return like(of, undefined);
  const rank = of.shape.length;
  const axes = has(call, 3) ? knownValues(call.inputs[3]) : Array.from({ length: rank }, (_, i) => i);
  if (!pads || !axes) return like(of, unknownDims(rank));
  if (pads.length !== 2 * axes.length) mismatch(`${pads.length} pads for ${axes.length} axes`);
  const shape = [...of.shape];
  for (const [i, axis] of axes.entries()) {
    const at = axisOf(axis, rank);
    shape[at] = plus(shape[at], pads[i]! + pads[i + axes.length]!);
    if ((shape[at] as number) < 0) mismatch(`axis ${at} would have a negative size`);
  }
  return like(of, shape);
};

const depthToSpace: Rule = (call) =>
  blocks(
    call,
    (dim, block) => multiply(dim, block),
    (dim, area) => over(dim, area),
  );
const spaceToDepth: Rule = (call) =>
  blocks(
    call,
    (dim, block) => over(dim, block),
    (dim, area) => multiply(dim, area),
  );

function blocks(call: Call, spatial: (dim: Dim, block: number) => Dim, channel: (dim: Dim, area: number) => Dim): Fact {
  const of = input(call, 0);
  const block = intAttribute(call.node, 'blocksize', 1);
  const [n, c, h, w] = of.shape ?? [];
  return like(of, [n, channel(c, block * block), spatial(h, block), spatial(w, block)]);
}

const over = (dim: Dim, by: number): Dim => (typeof dim === 'number' ? Math.floor(dim / by) : undefined);

/** Resize (opset 10 on) and Upsample: sizes win over scales. */
const resize: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return like(of, undefined);
  const modern = call.node.opType === 'Resize' && call.opset >= 11;
  const axes = intsAttribute(call.node, 'axes') ?? of.shape.map((_, i) => i);
  const sizes = modern && has(call, 3) ? input(call, 3).values : undefined;
  const scales = floatsAttribute(call.node, 'scales') ?? knownValues(call.inputs[modern ? 2 : 1]);
  const shape = [...of.shape];
  const kept = sizes
    ? keepAspect(
        call,
        axes.map((axis) => of.shape!.at(axis)),
        sizes,
      )
    : undefined;
  for (const [i, axis] of axes.entries()) {
    const at = axisOf(axis, shape.length);
    shape[at] = kept ? kept[i] : scaled(shape[at], scales?.[i]);
  }
  return like(of, shape);
};

const scaled = (dim: Dim, scale: number | undefined): Dim =>
  scale === 1 ? dim : typeof dim === 'number' && scale !== undefined ? Math.floor(dim * scale) : undefined;

function keepAspect(call: Call, dims: Shape, sizes: readonly Dim[]): readonly Dim[] {
  const policy = stringAttribute(call.node, 'keep_aspect_ratio_policy', 'stretch');
  if (policy === 'stretch') return sizes;
  const ratios = sizes.map((size, i) => Number(size) / Number(dims[i]));
  if (ratios.some(Number.isNaN)) return sizes.map(() => undefined);
  const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return dims.map((dim) => Math.floor(scale * Number(dim) + 0.5));
}

const centerCropPad: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return like(of, undefined);
  const sizes = shapeFrom(input(call, 1));
  const axes = intsAttribute(call.node, 'axes') ?? of.shape.map((_, i) => i);
  const shape = [...of.shape];
  for (const [i, axis] of axes.entries()) shape[axisOf(axis, shape.length)] = sizes?.[i];
  return like(of, shape);
};

const col2Im: Rule = (call) => {
  const of = input(call, 0);
  const [image, block] = [shapeFrom(input(call, 1)), knownValues(input(call, 2))];
  const [n, packed] = of.shape ?? [];
  const area = block?.reduce((a, b) => a * b, 1);
  const channels = typeof packed === 'number' && area ? packed / area : undefined;
  return like(of, image && [n, channels, ...image]);
};

/** How many known elements `Range` has. */
export function rangeCount(start: number, limit: number, delta: number): number {
  return Math.max(0, Math.ceil((limit - start) / delta));
}

const range: Rule = (call) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => knownScalar(input(call, i)));
  const { dtype } = input(call, 0);
  if (start === undefined || delta === undefined) return fact(dtype, [undefined]);
  if (delta === 0) mismatch('a range has delta 0');
  const symbol = input(call, 1).values?.[0];
  if (limit === undefined) return fact(dtype, [start === 0 && delta === 1 ? symbol : undefined]);
  const count = rangeCount(start, limit, delta);
  return fact(
    dtype,
    [count],
    count <= maxFollowed ? Array.from({ length: count }, (_, i) => start + i * delta) : undefined,
  );
};

export const layoutRules: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Transpose: transpose,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Split: split,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Resize: resize,
  Upsample: resize,
  CenterCropPad: centerCropPad,
  Col2Im: col2Im,
  Range: range,
};
