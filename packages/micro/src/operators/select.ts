// Operators that pick elements by index or by rank. Indices computed at run time are kept inside the tensor.
import { intAttribute } from '@sanderling/onnx';
import { loop, nest, type Lines } from '../emit/c-text.ts';
import { stridesOf, type Layer } from '../ir.ts';
import { invalid } from '../problems.ts';
import {
  axisOf,
  constantOf,
  expectDims,
  everything,
  inputOf,
  numbers,
  outputOf,
  productOf,
  type Desk,
  type OperatorRule,
} from './rule.ts';

/** y[outer, indices…, inner] = x[outer, index, inner]. */
function writeGather(desk: Desk): Lines {
  const { layer } = desk;
  const [x, indices] = [inputOf(layer, 0), inputOf(layer, 1)];
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 0), x.dims.length);
  const [size, inner, count] = [x.dims[axis]!, productOf(x.dims.slice(axis + 1)), productOf(indices.dims)];
  const place = desk.helper('place');
  return loop(
    'i',
    productOf(x.dims.slice(0, axis)),
    loop('k', count, [
      `const int32_t at = ${place}((int64_t)${desk.input(1)}[k], ${size});`,
      ...loop('j', inner, [
        `${desk.output()}[(i * ${count} + k) * ${inner} + j] = ${desk.input(0)}[(i * ${size} + at) * ${inner} + j];`,
      ]),
    ]),
  );
}

/** y[p] = x[p with the axis replaced by indices[p]]. */
function writeGatherElements(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 0), x.dims.length);
  const strides = stridesOf(x.dims);
  const place = desk.helper('place');
  const walk = { strides: stridesOf(out.dims) };
  return nest(
    out.dims,
    [
      { name: desk.output(), ...walk },
      { name: desk.input(1), ...walk },
      { name: 'BASE', strides: strides.map((stride, i) => (i === axis ? 0 : stride)) },
    ],
    ([y, index, base]) => [
      `const int32_t at = ${place}((int64_t)${index}, ${x.dims[axis]});`,
      `${y} = ${desk.input(0)}[${base!.slice('BASE['.length, -1)} + at * ${strides[axis]}];`,
    ],
  );
}

/** How many elements are wanted: an input, an attribute before opset 10. */
const wantedOf = (layer: Layer): number => constantOf(layer, 1)?.[0] ?? intAttribute(layer.node, 'k') ?? 0;

/** Selection of the k greatest (or least) by repeated search; equal elements in the order of their places. */
function writeTopK(desk: Desk): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', -1), x.dims.length);
  const [size, step] = [x.dims[axis]!, stridesOf(x.dims)[axis]!];
  const k = wantedOf(layer);
  const sign = intAttribute(layer.node, 'largest', 1) === 1 ? '>' : '<';
  const from = (place: string): string => `${desk.input(0)}[(i * ${size} + ${place}) * ${step} + j]`;
  const to = `(i * ${k} + rank) * ${step} + j`;
  return loop(
    'i',
    productOf(x.dims.slice(0, axis)),
    loop('j', step, [
      'int32_t last = -1;',
      ...loop('rank', k, [
        'int32_t best = -1;',
        ...loop('p', size, [
          '/* Behind the one before in rank: smaller, or equal and later. */',
          `if (last >= 0 && (${from('p')} ${sign} ${from('last')} || (${from('p')} == ${from('last')} && p <= last))) { continue; }`,
          `if (best < 0 || ${from('p')} ${sign} ${from('best')}) { best = p; }`,
        ]),
        '/* Only elements that are not numbers are left. */',
        'if (best < 0) { best = (last < 0) ? 0 : last; }',
        ...(layer.outputs[0] ? [`${desk.output(0)}[${to}] = ${from('best')};`] : []),
        ...(layer.outputs[1] ? [`${desk.output(1)}[${to}] = best;`] : []),
        'last = best;',
      ]),
    ]),
  );
}

function writeOneHot(desk: Desk): Lines {
  const { layer } = desk;
  const out = outputOf(layer);
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', -1), out.dims.length);
  const [depth, inner] = [out.dims[axis]!, productOf(out.dims.slice(axis + 1))];
  const values = desk.input(2);
  return loop(
    'i',
    productOf(out.dims.slice(0, axis)),
    loop('j', inner, [
      `const int32_t index = (int32_t)${desk.input(0)}[i * ${inner} + j];`,
      `const int32_t hot = (index < 0) ? (index + ${depth}) : index;`,
      ...loop('k', depth, [`${desk.output()}[(i * ${depth} + k) * ${inner} + j] = ${values}[(k == hot) ? 1 : 0];`]),
    ]),
  );
}

function checkIndices(layer: Layer): void {
  const { dtype } = inputOf(layer, 1);
  if (dtype !== 'int32' && dtype !== 'int64') invalid(layer.node, `its indices are ${dtype}`);
}

function checkGatherElements(layer: Layer): void {
  checkIndices(layer);
  const [x, indices] = [inputOf(layer, 0), inputOf(layer, 1)];
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 0), x.dims.length);
  const fits = indices.dims.every((size, at) => at === axis || size <= (x.dims[at] ?? 0));
  if (indices.dims.length !== x.dims.length || !fits) invalid(layer.node, 'its indices do not fit its input');
}

function checkTopK(layer: Layer): void {
  const { dims } = inputOf(layer, 0);
  const k = wantedOf(layer);
  const size = dims[axisOf(layer, intAttribute(layer.node, 'axis', -1), dims.length)]!;
  if (!(k >= 1 && k <= size)) invalid(layer.node, `it wants ${k} of ${size} elements`);
}

/** Selections. */
export const selectOperators = {
  Gather: {
    covers: 'indices constant or computed; those outside are moved to the edge',
    inputs: ['x', 'indices'],
    required: 2,
    types: everything,
    mixed: [1],
    check: checkIndices,
    write: writeGather,
  },
  GatherElements: {
    covers: 'indices constant or computed; those outside are moved to the edge',
    inputs: ['x', 'indices'],
    required: 2,
    types: everything,
    mixed: [1],
    check: checkGatherElements,
    write: writeGatherElements,
  },
  OneHot: {
    covers: 'constant depth',
    inputs: ['indices', 'depth', 'values'],
    required: 3,
    types: ['int32', 'int64', 'float32'],
    constants: [1],
    mixed: [2],
    check: (layer) => expectDims(layer, 2, [2]),
    write: writeOneHot,
  },
  TopK: {
    optionalOutputs: true,
    covers: 'constant k; sorted',
    inputs: ['x', 'k'],
    types: numbers,
    constants: [1],
    check: checkTopK,
    write: writeTopK,
  },
} as const satisfies Record<string, OperatorRule>;
