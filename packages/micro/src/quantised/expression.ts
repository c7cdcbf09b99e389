// Real functions of one quantised value become tables of 256 codes: a chain (or tree) of element-wise operators is evaluated for every code when code is generated.
import { floatAttribute, stringAttribute } from '@sanderling/onnx';
import { countOf, type Layer, type Quantisation, type Value } from '../ir.ts';
import { realsOf } from './constants.ts';
import type { Draft, Twin } from './draft.ts';
import { codeOf } from './fixed-point.ts';

type Unary = (x: number, layer: Layer) => number;

const number = (layer: Layer, name: string, fallback: number): number => floatAttribute(layer.node, name) ?? fallback;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

/** erf by its series for small, by its continued fraction for large numbers. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let [term, sum] = [size, size];
    for (let n = 1; n < 80; n += 1) {
      term *= -(size * size) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n -= 1) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction)));
}

function gelu(x: number, layer: Layer): number {
  return stringAttribute(layer.node, 'approximate', 'none') === 'tanh'
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x / Math.SQRT2));
}

const unary: Readonly<Record<string, Unary>> = {
  Abs: (x) => Math.abs(x),
  Ceil: (x) => Math.ceil(x),
  Celu: (x, layer) =>
    Math.max(0, x) + Math.min(0, number(layer, 'alpha', 1) * Math.expm1(x / number(layer, 'alpha', 1))),
  Cos: (x) => Math.cos(x),
  Elu: (x, layer) => (x < 0 ? number(layer, 'alpha', 1) * Math.expm1(x) : x),
  Erf: (x) => erf(x),
  Exp: (x) => Math.exp(x),
  Floor: (x) => Math.floor(x),
  Gelu: gelu,
  HardSigmoid: (x, layer) => clamp(number(layer, 'alpha', 0.2) * x + number(layer, 'beta', 0.5), 0, 1),
  HardSwish: (x) => x * clamp(x / 6 + 0.5, 0, 1),
  LeakyRelu: (x, layer) => (x < 0 ? number(layer, 'alpha', 0.01) * x : x),
  Log: (x) => Math.log(x),
  Mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  Neg: (x) => -x,
  Reciprocal: (x) => 1 / x,
  Relu: (x) => Math.max(0, x),
  Selu: (x, layer) =>
    number(layer, 'gamma', 1.0507009873554805) *
    (x < 0 ? number(layer, 'alpha', 1.6732632423543772) * Math.expm1(x) : x),
  Sigmoid: (x) => sigmoid(x),
  Sign: (x) => Math.sign(x),
  Sin: (x) => Math.sin(x),
  Softplus: (x) => (x > 30 ? x : Math.log1p(Math.exp(x))),
  Softsign: (x) => x / (1 + Math.abs(x)),
  Sqrt: (x) => Math.sqrt(x),
  Swish: (x, layer) => x * sigmoid(number(layer, 'alpha', 1) * x),
  Tanh: (x) => Math.tanh(x),
  ThresholdedRelu: (x, layer) => (x > number(layer, 'alpha', 1) ? x : 0),
};

const binary: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => Math.max(a, b),
  Min: (a, b) => Math.min(a, b),
  Pow: (a, b) => a ** b,
  PRelu: (a, b) => (a < 0 ? a * b : a),
};

/** A function of the codes of a twin. */
export interface Expression {
  readonly leaf: Twin;
  readonly evaluate: (real: number) => number;
}

/** The bounds of a Clip, if they are constant. */
export function clipBounds(draft: Draft, layer: Layer): readonly [number, number] | undefined {
  const given = (index: number, attribute: string, fallback: number): number | undefined => {
    const value = layer.inputs[index];
    return value ? realsOf(draft, value)?.[0] : number(layer, attribute, fallback);
  };
  const [low, high] = [given(1, 'min', -Infinity), given(2, 'max', Infinity)];
  return low === undefined || high === undefined ? undefined : [low, high];
}

type Part = Expression | { readonly constant: number };

/** The function that a value is of one twin; undefined if it is none. */
export function expressionOf(
  draft: Draft,
  value: Value,
  twinOf: (value: Value) => Twin | undefined,
): Expression | undefined {
  const found = partOf(value, { draft, twinOf, depth: 0 });
  return found && 'leaf' in found ? found : undefined;
}

interface Search {
  readonly draft: Draft;
  readonly twinOf: (value: Value) => Twin | undefined;
  readonly depth: number;
}

function partOf(value: Value, search: Search): Part | undefined {
  const { draft, twinOf, depth } = search;
  const twin = twinOf(value);
  if (twin) return twin.dtype === 'int8' ? { leaf: twin, evaluate: (x) => x } : undefined;
  if (countOf(value) === 1) {
    const reals = realsOf(draft, value);
    if (reals) return { constant: reals[0]! };
  }
  const layer = draft.producers.get(value);
  if (!layer || depth > 12) return undefined;
  const deeper = { ...search, depth: depth + 1 };
  if (layer.operator === 'Clip') return clipped(layer, deeper);
  const one = Object.hasOwn(unary, layer.operator) ? unary[layer.operator] : undefined;
  if (one) {
    const inner = partOf(layer.inputs[0]!, deeper);
    return inner && 'leaf' in inner
      ? { leaf: inner.leaf, evaluate: (x) => Math.fround(one(inner.evaluate(x), layer)) }
      : undefined;
  }
  const two = Object.hasOwn(binary, layer.operator) && layer.inputs.length === 2 ? binary[layer.operator] : undefined;
  return two && paired(layer, two, deeper);
}

function clipped(layer: Layer, search: Search): Part | undefined {
  const bounds = clipBounds(search.draft, layer);
  const inner = bounds && partOf(layer.inputs[0]!, search);
  if (!inner || !('leaf' in inner)) return undefined;
  return { leaf: inner.leaf, evaluate: (x) => clamp(inner.evaluate(x), bounds[0], bounds[1]) };
}

function paired(layer: Layer, two: (a: number, b: number) => number, search: Search): Part | undefined {
  const [a, b] = [partOf(layer.inputs[0]!, search), partOf(layer.inputs[1]!, search)];
  if (!a || !b) return undefined;
  const leaves = [a, b].flatMap((part) => ('leaf' in part ? [part.leaf] : []));
  const leaf = leaves[0];
  if (!leaf || leaves.some((other) => other !== leaf)) return undefined;
  const out = layer.outputs[0]!;
  if (countOf(out) !== leaf.dims.reduce((product, dim) => product * dim, 1)) return undefined;
  const read = (part: Part, x: number): number => ('leaf' in part ? part.evaluate(x) : part.constant);
  return { leaf, evaluate: (x) => Math.fround(two(read(a, x), read(b, x))) };
}

/** The table of a function: place code as unsigned. */
export function tableOf(evaluate: (real: number) => number, from: Quantisation, to: Quantisation): Int8Array {
  return Int8Array.from({ length: 256 }, (_, place) => {
    const code = place < 128 ? place : place - 256;
    return codeOf(evaluate(Math.fround((code - from.zeroPoint) * from.scale[0]!)), to);
  });
}
