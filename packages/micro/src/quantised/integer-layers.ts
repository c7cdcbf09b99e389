// One integer layer for a value that is about to be quantised: what made it decides how.
import { intAttribute, toNumbers } from '@sanderling/onnx';
import type { Layer, Quantisation, Value } from '../ir.ts';
import { productOf } from '../operators/rule.ts';
import { realsOf, weightsOf, type Weights } from './constants.ts';
import { lastOrder, permuted, sameQuantisation, shuffleOf, type Draft, type Layout, type Twin } from './draft.ts';
import { clipBounds, expressionOf, tableOf } from './expression.ts';
import { unbounded, type Bounds } from './fixed-point.ts';
import { isMover, lastDims, movedTwin } from './moves.ts';
import { meanWork, narrowWork, productWork, softmaxWork, sumWork, type Addend } from './plan-elementwise.ts';
import { convolutionWork, gemmForm, geometryOf, matrixWork, wholeGeometry, type Matrix } from './plan-products.ts';
import { poolKernel } from '../operators/window.ts';
import type { Geometry, IntegerWork } from './work.ts';

/** What is asked for: the value, before the activation that became part of it, and how it is to be quantised. */
export interface Wish {
  readonly draft: Draft;
  readonly twinOf: (value: Value) => Twin | undefined;
  readonly layer: Layer;
  readonly to: Quantisation;
  readonly bounds: Bounds;
}

type Maker = (wish: Wish) => Twin | undefined;

interface Made {
  readonly dims: readonly number[];
  readonly layout: Layout;
  readonly inputs: readonly Value[];
  readonly work: IntegerWork;
}

function made({ draft, layer, to }: Wish, operator: string, { dims, layout, inputs, work }: Made): Twin {
  const stored = layout === 'last' ? lastDims(dims) : dims;
  const value = draft.add(layer, operator, { to: { dtype: 'int8', quantisation: to, dims: stored }, inputs, work });
  return draft.twin(value, layout, dims);
}

/** The twin of an input if its codes are int8. */
function byteTwin({ twinOf }: Wish, value: Value | undefined): Twin | undefined {
  const twin = value && twinOf(value);
  return twin?.dtype === 'int8' ? twin : undefined;
}

const convolution: Maker = (wish) => {
  const { draft, layer, to, bounds } = wish;
  const [x, weights] = [byteTwin(wish, layer.inputs[0]), weightsOf(draft, layer.inputs[1])];
  const bias = layer.inputs[2] ? realsOf(draft, layer.inputs[2]) : [];
  return x && weights && bias
    ? convolutionTwin(wish, x, { weights, bias: bias.length === 0 ? undefined : bias, to, bounds })
    : undefined;
};

interface Parts {
  readonly weights: Weights;
  readonly bias: readonly number[] | undefined;
  readonly to: Quantisation;
  readonly bounds: Bounds;
}

/** A convolution of a twin with given weights. */
export function convolutionTwin(wish: Wish, x: Twin, { weights, bias, to, bounds }: Parts): Twin | undefined {
  const { draft, layer } = wish;
  const work = convolutionWork(layer, weights, bias, { from: x.quantisation, to, bounds });
  if (!work) return undefined;
  const name =
    work.kind === 'depthwise'
      ? 'Int8DepthwiseConv'
      : layer.operator === 'ConvTranspose'
        ? 'Int8ConvTranspose'
        : 'Int8Conv';
  const { dims } = layer.outputs[0]!;
  return made(wish, name, { dims, layout: 'last', inputs: [draft.form(x, 'last', layer)], work });
}

/** A matrix product whose left operand has the given twin. */
export function matrixTwin(wish: Wish, x: Twin, matrix: Omit<Matrix, 'shuffle'>): Twin | undefined {
  const { draft, layer, to, bounds } = wish;
  const shuffled = x.forms.has('plain') ? undefined : x.forms.get('shuffled');
  const work = matrixWork(
    layer,
    { ...matrix, shuffle: shuffled && shuffleOf(shuffled) },
    { from: x.quantisation, to, bounds },
  );
  if (!work) return undefined;
  const inputs = [shuffled ?? draft.form(x, 'plain', layer)];
  return made(wish, 'Int8Dense', { dims: layer.outputs[0]!.dims, layout: 'plain', inputs, work });
}

/** A bias that is the same in each row. */
function rowBias(reals: readonly number[], dims: readonly number[], columns: number): readonly number[] | undefined {
  if (reals.length === 1) return Array.from({ length: columns }, () => reals[0]!);
  return dims.at(-1) === columns && productOf(dims) === columns ? reals : undefined;
}

const gemm: Maker = (wish) => {
  const { draft, layer } = wish;
  const { alpha, beta, turnedA, turnedB } = gemmForm(layer);
  const [x, weights] = [byteTwin(wish, layer.inputs[0]), weightsOf(draft, layer.inputs[1])];
  const columns = layer.outputs[0]!.dims.at(-1)!;
  const given = layer.inputs[2];
  const reals = given && beta !== 0 ? realsOf(draft, given)?.map((real) => real * beta) : [0];
  const bias = reals && rowBias(reals, given && beta !== 0 ? given.dims : [], columns);
  if (!x || !weights || !bias || turnedA) return undefined;
  return matrixTwin(wish, x, { weights, turned: turnedB, factor: alpha, bias });
};

const matMul: Maker = (wish) => {
  const { draft, layer } = wish;
  const [x, weights] = [byteTwin(wish, layer.inputs[0]), weightsOf(draft, layer.inputs[1])];
  if (!x || x.dims.length < 2 || !weights) return undefined;
  return matrixTwin(wish, x, { weights, turned: false, factor: 1, bias: undefined });
};

/** MatMul and the Add of a constant, as linear layers over sequences are exported. */
function biasedMatMul(wish: Wish): Twin | undefined {
  const { draft, layer } = wish;
  for (const side of [0, 1]) {
    const [product, constant] = [layer.inputs[side]!, layer.inputs[1 - side]!];
    const inner = draft.producers.get(product);
    const reals = realsOf(draft, constant);
    if (inner?.operator !== 'MatMul' || !reals || !draft.isInner(product, layer)) continue;
    const [x, weights] = [byteTwin(wish, inner.inputs[0]), weightsOf(draft, inner.inputs[1])];
    const bias = rowBias(reals, constant.dims, product.dims.at(-1)!);
    if (!x || x.dims.length < 2 || !weights || !bias || product.dims.join() !== layer.outputs[0]!.dims.join()) continue;
    return matrixTwin({ ...wish, layer: inner }, x, { weights, turned: false, factor: 1, bias });
  }
  return undefined;
}

/** The layout for operands that meet element by element: channels last where one of them lies so and all have the rank. */
function meetingLayout(twins: readonly Twin[], dims: readonly (readonly number[])[]): Layout {
  const rank = dims[0]!.length;
  const same = rank >= 3 && dims.every((one) => one.length === rank);
  return same && twins.some(({ forms }) => !forms.has('plain') && forms.has('last')) ? 'last' : 'plain';
}

const sum: Maker = (wish) => {
  const { draft, layer, to, bounds } = wish;
  const fused = layer.operator === 'Add' ? biasedMatMul(wish) : undefined;
  if (fused) return fused;
  const signs = [1, layer.operator === 'Sub' ? -1 : 1] as const;
  const twins = layer.inputs.map((value) => byteTwin(wish, value));
  const found = twins.flatMap((twin, i) => (twin ? [{ twin, sign: signs[i]! }] : []));
  const out = layer.outputs[0]!.dims;
  const at = twins.findIndex((twin) => !twin);
  const constant = at < 0 ? undefined : layer.inputs[at]!;
  const reals = constant && realsOf(draft, constant)?.map((real) => real * signs[at]!);
  if (found.length === 0 || layer.inputs.length !== 2 || (constant && !reals)) return undefined;
  const layout = meetingLayout(
    found.map(({ twin }) => twin),
    [out, ...layer.inputs.map((value) => value!.dims)],
  );
  const addend = constant && reals && arranged({ reals, dims: constant.dims }, layout);
  const terms = found.map(({ twin, sign }) => ({ quantisation: twin.quantisation, sign }));
  const work = sumWork(terms, addend, { to, bounds });
  const inputs = found.map(({ twin }) => draft.form(twin, layout, layer));
  return work && made(wish, 'Int8Add', { dims: out, layout, inputs, work });
};

/** A constant in a layout. */
function arranged({ reals, dims }: Addend, layout: Layout): Addend {
  if (layout === 'plain') return { reals, dims };
  const [n, channels, ...space] = dims as [number, number, ...number[]];
  const places = productOf(space);
  const moved = Array.from({ length: reals.length }, (_, i) => {
    const channel = i % channels;
    const place = Math.floor(i / channels) % places;
    return reals[(Math.floor(i / (channels * places)) * channels + channel) * places + place]!;
  });
  return { reals: moved, dims: permuted([n, channels, ...space], lastOrder(dims.length)) };
}

const product: Maker = (wish) => {
  const { draft, layer, to, bounds } = wish;
  const [a, b] = [byteTwin(wish, layer.inputs[0]), byteTwin(wish, layer.inputs[1])];
  const out = layer.outputs[0]!.dims;
  const work = a && b && productWork(a.quantisation, b.quantisation, { to, bounds });
  if (!work) return undefined;
  const layout = meetingLayout([a, b], [out, a.dims, b.dims]);
  const inputs = [draft.form(a, layout, layer), draft.form(b, layout, layer)];
  return made(wish, 'Int8Mul', { dims: out, layout, inputs, work });
};

const mean =
  (geometryFor: (layer: Layer) => Geometry | undefined): Maker =>
  (wish) => {
    const { draft, layer, to, bounds } = wish;
    const x = byteTwin(wish, layer.inputs[0]);
    const geometry = x && geometryFor(layer);
    const work = geometry && bounds === unbounded ? meanWork(layer, geometry, x.quantisation, to) : undefined;
    if (!x || !work) return undefined;
    const inputs = [draft.form(x, 'last', layer)];
    const { dims } = layer.outputs[0]!;
    if (dims.length >= 3) return made(wish, 'Int8AveragePool', { dims, layout: 'last', inputs, work });
    return made(wish, 'Int8AveragePool', { dims, layout: 'plain', inputs, work });
  };

/** ReduceMean over all axes behind the channels is a global pool. */
function reducedGeometry(layer: Layer): Geometry | undefined {
  const rank = layer.inputs[0]!.dims.length;
  const attribute = layer.node.attributes['axes'];
  const given = layer.inputs[1]?.data
    ? Array.from(toNumbers(layer.inputs[1].data))
    : attribute?.type === 'ints'
      ? attribute.value.map(Number)
      : [];
  const axes = new Set(given.map((axis) => (axis < 0 ? axis + rank : axis)));
  const whole = rank >= 3 && axes.size === rank - 2 && !axes.has(0) && !axes.has(1);
  return whole ? wholeGeometry(layer) : undefined;
}

const softmax: Maker = (wish) => {
  const { draft, layer, to, bounds } = wish;
  const x = byteTwin(wish, layer.inputs[0]);
  const rank = layer.outputs[0]!.dims.length;
  const given = intAttribute(layer.node, 'axis', layer.opset >= 13 ? -1 : 1);
  const axis = given < 0 ? given + rank : given;
  if (!x || bounds !== unbounded || (layer.opset < 13 && axis !== rank - 1)) return undefined;
  const work = softmaxWork(axis, x.dims[axis]!, x.quantisation, to);
  const inputs = [draft.form(x, 'plain', layer)];
  return work && made(wish, 'Int8Softmax', { dims: layer.outputs[0]!.dims, layout: 'plain', inputs, work });
};

const concat: Maker = (wish) => {
  const { draft, layer, to, bounds } = wish;
  const twins = layer.inputs.map((value) => byteTwin(wish, value));
  if (bounds !== unbounded || !twins.every((twin) => twin !== undefined)) return undefined;
  const out = layer.outputs[0]!.dims;
  const layout = meetingLayout(twins, [out]);
  const given = intAttribute(layer.node, 'axis', 1);
  const axis = given < 0 ? given + out.length : given;
  const tables = twins.map(({ quantisation }) =>
    sameQuantisation(quantisation, to) ? undefined : tableOf((x) => x, quantisation, to),
  );
  const place = layout === 'last' ? lastOrder(out.length).indexOf(axis) : axis;
  const inputs = twins.map((twin) => draft.form(twin, layout, layer));
  return made(wish, 'Int8Concat', { dims: out, layout, inputs, work: { kind: 'join', axis: place, tables } });
};

const makers: Readonly<Record<string, Maker>> = {
  Add: sum,
  AveragePool: mean((layer) => geometryOf(layer, poolKernel(layer))),
  Concat: concat,
  Conv: convolution,
  ConvTranspose: convolution,
  Gemm: gemm,
  GlobalAveragePool: mean(wholeGeometry),
  MatMul: matMul,
  Mul: product,
  ReduceMean: mean(reducedGeometry),
  Softmax: softmax,
  Sub: sum,
};

/** The same real numbers under other parameters. */
function rescaled(draft: Draft, twin: Twin, { to, layer }: Pick<Wish, 'to' | 'layer'>): Twin | undefined {
  if (twin.dtype === 'int8' && sameQuantisation(twin.quantisation, to)) return twin;
  if (twin.dtype === 'int8') return tableTwin(draft, twin, { evaluate: (x) => x, to, layer });
  const work = narrowWork(twin.quantisation, to, twin.dtype === 'int16' ? 2 ** 15 : 2 ** 26);
  if (!work) return undefined;
  const layout = twin.forms.has('plain') ? 'plain' : 'last';
  const from = draft.form(twin, layout, layer);
  const value = draft.add(layer, 'Int8Narrow', {
    to: { dtype: 'int8', quantisation: to, dims: from.dims },
    inputs: [from],
    work,
  });
  return draft.twin(value, layout, twin.dims);
}

interface TableWish {
  readonly evaluate: (real: number) => number;
  readonly to: Quantisation;
  readonly layer: Layer;
}

function tableTwin(draft: Draft, twin: Twin, { evaluate, to, layer }: TableWish): Twin {
  const layout = twin.forms.has('last') ? 'last' : 'plain';
  const from = draft.form(twin, layout, layer);
  const work = { kind: 'table', table: tableOf(evaluate, twin.quantisation, to) } as const;
  const value = draft.add(layer, 'Int8Table', {
    to: { dtype: 'int8', quantisation: to, dims: from.dims },
    inputs: [from],
    work,
  });
  return draft.twin(value, layout, twin.dims);
}

/** Relu and Clip between an operator and its quantisation become its bounds. */
function withoutActivation(draft: Draft, value: Value): { value: Value; bounds: Bounds } {
  const layer = draft.producers.get(value);
  const kept =
    layer &&
    (layer.operator === 'Relu' ? [0, Infinity] : layer.operator === 'Clip' ? clipBounds(draft, layer) : undefined);
  const inner = layer?.inputs[0];
  if (!kept || !inner || !draft.isInner(inner, layer)) return { value, bounds: unbounded };
  return { value: inner, bounds: { low: kept[0], high: kept[1] } };
}

/** What is moved and then quantised may as well be quantised and then moved. */
function movedAfter(draft: Draft, value: Value, asked: Pick<Wish, 'to' | 'layer' | 'twinOf'>): Twin | undefined {
  const mover = draft.producers.get(value);
  if (!mover || !isMover(mover) || mover.outputs.length > 1) return undefined;
  const before = mover.inputs[0]!;
  if (!draft.isSole(value) || !draft.isSole(before)) return undefined;
  const twin = integerTwin(draft, before, asked);
  return twin && movedTwin(draft, mover, value, twin);
}

/** The codes of a real value, computed from codes. Undefined where no integer layer fits. */
export function integerTwin(
  draft: Draft,
  value: Value,
  { to, layer, twinOf }: Pick<Wish, 'to' | 'layer' | 'twinOf'>,
): Twin | undefined {
  const known = twinOf(value);
  if (known) return rescaled(draft, known, { to, layer });
  const table = expressionOf(draft, value, twinOf);
  if (table) return tableTwin(draft, table.leaf, { evaluate: table.evaluate, to, layer });
  const moved = movedAfter(draft, value, { to, layer, twinOf });
  if (moved) return moved;
  const { value: inner, bounds } = withoutActivation(draft, value);
  const producer = draft.producers.get(inner);
  if (!producer || !Object.hasOwn(makers, producer.operator)) return undefined;
  if (inner === value && !draft.isInner(inner) && !draft.isSole(inner)) return undefined;
  if (inner !== value && !draft.isInner(value) && !draft.isSole(value)) return undefined;
  return makers[producer.operator]!({ draft, twinOf, layer: producer, to, bounds });
}
