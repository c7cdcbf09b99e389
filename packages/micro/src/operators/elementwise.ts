// Operators on elements, with NumPy broadcasting: one C expression per operator.
import { floatAttribute, intAttribute, stringAttribute } from '@sanderling/onnx';
import { cutToOne, literal, math, narrowed, nest, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf, type ElementType, type Layer } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { curve, type Curve } from './curves.ts';
import {
  broadcastStrides,
  everything,
  floats,
  inputOf,
  numbers,
  outputOf,
  type Desk,
  type OperatorRule,
} from './rule.ts';

/** What an expression is made with: the desk, the element type, f = a literal of that type, m = a math.h function, curve = one of emit/curves, a = an attribute as literal. */
interface Pen {
  readonly desk: Desk;
  readonly layer: Layer;
  readonly dtype: ElementType;
  readonly f: (value: number) => string;
  readonly m: (name: string) => string;
  readonly curve: (name: Curve) => string;
  readonly a: (name: string, fallback: number) => string;
}

type Expression = (elements: readonly string[], pen: Pen) => string;

function penOf(desk: Desk): Pen {
  const { layer } = desk;
  const { dtype } = inputOf(layer, 0);
  const f = (value: number): string => literal(value, dtype);
  const m = (name: string): string => math(name, dtype);
  const named = (name: Curve): string => curve(desk, name, dtype);
  return {
    desk,
    layer,
    dtype,
    f,
    m,
    curve: named,
    a: (name, fallback) => f(floatAttribute(layer.node, name, fallback)),
  };
}

/** Walks all inputs against the output's shape. */
function overElements(desk: Desk, expression: (elements: readonly string[]) => string): Lines {
  const { layer } = desk;
  const out = outputOf(layer);
  const walks = layer.inputs.flatMap((value, i) =>
    value ? [{ name: desk.input(i), strides: broadcastStrides(value.dims, out.dims) }] : [],
  );
  return nest(out.dims, [{ name: desk.output(), strides: stridesOf(out.dims) }, ...walks], ([y, ...x]) => [
    `${y} = ${expression(x)};`,
  ]);
}

const rule = (types: readonly ElementType[], names: readonly string[], expression: Expression): OperatorRule => ({
  covers: 'all, with broadcasting',
  inputs: names,
  required: names.length,
  types,
  elementwise: true,
  write: (desk) => {
    const pen = penOf(desk);
    return overElements(desk, (elements) => expression(elements, pen));
  },
});

const unary = (expression: (x: string, pen: Pen) => string, types = floats): OperatorRule => ({
  ...rule(types, ['x'], ([x], pen) => expression(x!, pen)),
  covers: 'all',
});
const call = (name: string): OperatorRule => unary((x, { m }) => `${m(name)}(${x})`);
const ownCurve = (name: Curve): OperatorRule => unary((x, pen) => `${pen.curve(name)}(${x})`);
const binary = (expression: (a: string, b: string, pen: Pen) => string, types = numbers): OperatorRule =>
  rule(types, ['a', 'b'], ([a, b], pen) => expression(a!, b!, pen));

/** Integer arithmetic wraps around, as two's complement does, without the overflow that C leaves undefined. */
const wrapping = (a: string, operator: string, b: string, dtype: ElementType): string => {
  const { kind, c, signed, bytes } = elementTypes[dtype];
  if (kind === 'float') return `${a} ${operator} ${b}`;
  if (bytes < 4)
    return `(${c})((${signed ? 'int32_t' : 'uint32_t'})${a} ${operator} (${signed ? 'int32_t' : 'uint32_t'})${b})`;
  const word = bytes === 4 ? 'uint32_t' : 'uint64_t';
  return signed ? `(${c})((${word})${a} ${operator} (${word})${b})` : `${a} ${operator} ${b}`;
};
const arithmetic = (operator: string): OperatorRule => binary((a, b, { dtype }) => wrapping(a, operator, b, dtype));

function quotient(a: string, b: string, { dtype }: Pen): string {
  const { kind, signed, c } = elementTypes[dtype];
  if (kind === 'float') return `${a} / ${b}`;
  const safe = `(${b} == 0) ? (${c})0 : (${c})(${a} / ${b})`;
  return narrowed(signed ? `(${b} == -1) ? ${wrapping('0', '-', a, dtype)} : (${safe})` : safe, dtype);
}

function power([a, b]: readonly string[], { layer, dtype }: Pen): string {
  const exponent = inputOf(layer, 1);
  if (elementTypes[dtype].kind !== 'float') {
    const wide = `pow((double)${a}, (double)${b})`;
    return `(${elementTypes[dtype].c})${wide}`;
  }
  if (dtype === 'float32' && exponent.dtype !== 'float64') return `powf(${a}, (float)${b})`;
  return `${dtype === 'float32' ? '(float)' : ''}pow((double)${a}, (double)${b})`;
}

/** fmod = 1 keeps the dividend's sign, as C does; fmod = 0 takes the divisor's. */
function remainder([a, b]: readonly string[], { layer, dtype, m }: Pen): string {
  const { kind, c, signed } = elementTypes[dtype];
  if (kind === 'float') return `${m('fmod')}(${a}, ${b})`;
  if (!signed) return narrowed(`(${b} == 0U) ? (${c})0 : (${c})(${a} % ${b})`, dtype);
  const plain = `${a} % ${b}`;
  const guard = `(${b} == 0 || ${b} == -1) ? (${c})0`;
  if (intAttribute(layer.node, 'fmod', 0) === 1) return narrowed(`${guard} : (${c})(${plain})`, dtype);
  const turned = `(${plain} != 0 && ((${a} < 0) != (${b} < 0))) ? (${plain} + ${b}) : (${plain})`;
  return narrowed(`${guard} : (${c})(${turned})`, dtype);
}

const compare = (operator: string, types = everything): OperatorRule =>
  binary((a, b) => `(uint8_t)(${a} ${operator} ${b})`, types);
const logical = (expression: (a: string, b: string) => string): OperatorRule =>
  binary((a, b) => `(uint8_t)(${expression(a, b)})`, ['bool']);
const bitwise = (operator: string): OperatorRule =>
  binary(
    (a, b, { dtype }) => narrowed(`${a} ${operator} ${b}`, dtype),
    numbers.filter((t) => !floats.includes(t)),
  );

/** An operator of any number of inputs, folded from the left. */
const folded = (step: (left: string, right: string, pen: Pen) => string, types = numbers): OperatorRule => ({
  covers: 'any number of inputs, with broadcasting',
  inputs: ['x'],
  types,
  elementwise: true,
  write: (desk) => {
    const pen = penOf(desk);
    return overElements(desk, (elements) => elements.reduce((left, right) => step(left, right, pen)));
  },
});

/** The greater (or lesser) of two; a NaN on either side is the result, as in ONNX Runtime. */
const extreme = (sign: '>' | '<'): OperatorRule => {
  return {
    covers: 'any number of inputs, with broadcasting',
    inputs: ['x'],
    types: numbers,
    elementwise: true,
    write: (desk) => {
      const { layer } = desk;
      const out = outputOf(layer);
      const { c, kind } = elementTypes[out.dtype];
      const walks = layer.inputs.map((value, i) => ({
        name: desk.input(i),
        strides: broadcastStrides(value!.dims, out.dims),
      }));
      return nest(out.dims, [{ name: desk.output(), strides: stridesOf(out.dims) }, ...walks], ([y, ...x]) => [
        `${c} best = ${x[0]};`,
        ...x.slice(1).map((one) => {
          const nan = kind === 'float' ? ` || ${one} != ${one}` : '';
          return `if (${one} ${sign} best${nan}) { best = ${one}; }`;
        }),
        `${y} = best;`,
      ]);
    },
  };
};

function gelu(x: string, { layer, f, curve }: Pen): string {
  if (stringAttribute(layer.node, 'approximate', 'none') === 'tanh')
    return `${f(0.5)} * ${x} * (${f(1)} + ${curve('tanh')}(${f(Math.sqrt(2 / Math.PI))} * (${x} + ${f(0.044715)} * ${x} * ${x} * ${x})))`;
  return `${f(0.5)} * ${x} * (${f(1)} + ${curve('erf')}(${x} * ${f(Math.SQRT1_2)}))`;
}

const integersOf = numbers.filter((dtype) => elementTypes[dtype].kind === 'integer');

/** Clip: the bounds are attributes (opset 6) or inputs that may be absent. */
function writeClip(desk: Desk): Lines {
  const { layer } = desk;
  const [out, x] = [outputOf(layer), inputOf(layer, 0)];
  const { c } = elementTypes[x.dtype];
  const attribute = (name: string): string | undefined => {
    const value = floatAttribute(layer.node, name);
    return value === undefined ? undefined : literal(value, x.dtype);
  };
  const bound = (index: number, name: string): string | undefined =>
    layer.inputs[index] ? `${desk.input(index)}[0]` : attribute(name);
  const [low, high] = [bound(1, 'min'), bound(2, 'max')];
  const strides = stridesOf(out.dims);
  return nest(
    out.dims,
    [
      { name: desk.output(), strides },
      { name: desk.input(0), strides },
    ],
    ([to, from]) => [
      `${c} value = ${from};`,
      ...(low === undefined ? [] : [`if (value < ${low}) { value = ${low}; }`]),
      ...(high === undefined ? [] : [`if (value > ${high}) { value = ${high}; }`]),
      `${to} = value;`,
    ],
  );
}

function castExpression(x: string, from: ElementType, to: ElementType, desk: Desk): string {
  const [source, target] = [elementTypes[from], elementTypes[to]];
  if (to === 'bool') return `(uint8_t)(${x} != ${literal(0, from)})`;
  if (from === to) return x;
  if (source.kind === 'float' && target.kind !== 'float') return `${desk.helper(`to_${to}`)}((double)${x})`;
  return `(${target.c})${x}`;
}

/** Cast and CastLike. */
function writeCast(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const strides = stridesOf(out.dims);
  return nest(
    out.dims,
    [
      { name: desk.output(), strides },
      { name: desk.input(0), strides },
    ],
    ([to, from]) => [`${to} = ${castExpression(from!, x.dtype, out.dtype, desk)};`],
  );
}

const cast: OperatorRule = {
  covers: 'between all element types; from float to integer towards zero and saturating',
  inputs: ['x'],
  types: everything,
  elementwise: true,
  write: writeCast,
};

/** Element-wise operators. */
export const elementwiseOperators = {
  Abs: unary(
    (x, { dtype, m }) =>
      elementTypes[dtype].kind === 'float'
        ? `${m('fabs')}(${x})`
        : elementTypes[dtype].signed
          ? `(${x} < 0) ? ${wrapping('0', '-', x, dtype)} : ${x}`
          : x,
    numbers,
  ),
  Acos: call('acos'),
  Acosh: call('acosh'),
  Add: arithmetic('+'),
  And: logical((a, b) => `${a} && ${b}`),
  Asin: call('asin'),
  Asinh: call('asinh'),
  Atan: call('atan'),
  Atanh: call('atanh'),
  BitwiseAnd: bitwise('&'),
  BitwiseNot: unary((x, { dtype }) => narrowed(`~${x}`, dtype), integersOf),
  BitwiseOr: bitwise('|'),
  BitwiseXor: bitwise('^'),
  Cast: cast,
  CastLike: { ...cast, inputs: ['x', 'like'], required: 2, mixed: [1] },
  Ceil: call('ceil'),
  Celu: unary((x, { f, curve, a }) => {
    const alpha = a('alpha', 1);
    return `(${x} > ${f(0)}) ? ${x} : ${alpha} * ${curve('expm1')}(${x} / ${alpha})`;
  }),
  Clip: { covers: 'all', inputs: ['x', 'low', 'high'], types: numbers, write: writeClip, elementwise: true },
  Cos: call('cos'),
  Cosh: call('cosh'),
  Div: binary(quotient),
  Elu: unary((x, { f, curve, a }) => `(${x} < ${f(0)}) ? ${a('alpha', 1)} * ${curve('expm1')}(${x}) : ${x}`),
  Equal: compare('=='),
  Erf: ownCurve('erf'),
  Exp: ownCurve('exp'),
  Floor: call('floor'),
  Gelu: unary(gelu),
  Greater: compare('>', numbers),
  GreaterOrEqual: compare('>=', numbers),
  HardSigmoid: unary((x, { dtype, a }) => cutToOne(`${a('alpha', 0.2)} * ${x} + ${a('beta', 0.5)}`, dtype)),
  HardSwish: unary((x, { dtype, f }) => `${x} * (${cutToOne(`${x} / ${f(6)} + ${f(0.5)}`, dtype)})`),
  IsInf: unary((x, { layer, dtype }) => {
    const infinity = literal(Infinity, dtype);
    const [up, down] = [intAttribute(layer.node, 'detect_positive', 1), intAttribute(layer.node, 'detect_negative', 1)];
    return `(uint8_t)((${up} && ${x} == ${infinity}) || (${down} && ${x} == -${infinity}))`;
  }),
  IsNaN: unary((x) => `(uint8_t)(${x} != ${x})`),
  LeakyRelu: unary((x, { f, a }) => `(${x} < ${f(0)}) ? ${a('alpha', 0.01)} * ${x} : ${x}`),
  Less: compare('<', numbers),
  LessOrEqual: compare('<=', numbers),
  Log: ownCurve('log'),
  Max: extreme('>'),
  Mean: {
    ...folded((a, b) => `${a} + ${b}`, floats),
    write: (desk) => {
      const { f } = penOf(desk);
      return overElements(desk, (x) => `(${x.join(' + ')}) / ${f(x.length)}`);
    },
  },
  Min: extreme('<'),
  Mish: unary((x, pen) => `${x} * ${pen.curve('tanh')}(${pen.curve('softplus')}(${x}))`),
  Mod: {
    ...rule(numbers, ['a', 'b'], remainder),
    covers: 'integers; floats with fmod = 1',
    check: (layer) => {
      const { dtype } = inputOf(layer, 0);
      if (elementTypes[dtype].kind === 'float' && intAttribute(layer.node, 'fmod', 0) !== 1)
        unsupported(layer.node, 'the remainder of floats with fmod = 0', 'set fmod = 1');
    },
  },
  Mul: arithmetic('*'),
  Neg: unary(
    (x, { dtype }) => (elementTypes[dtype].kind === 'float' ? `-${x}` : wrapping('0', '-', x, dtype)),
    numbers,
  ),
  Not: unary((x) => `(uint8_t)!${x}`, ['bool']),
  Or: logical((a, b) => `${a} || ${b}`),
  PRelu: binary((x, slope, { dtype }) => `(${x} < ${literal(0, dtype)}) ? ${slope} * ${x} : ${x}`, floats),
  Pow: { ...rule(numbers, ['a', 'b'], power), mixed: [1] },
  Reciprocal: unary((x, { f }) => `${f(1)} / ${x}`),
  Relu: unary(
    (x, { dtype }) => `(${x} < ${literal(0, dtype)}) ? ${literal(0, dtype)} : ${x}`,
    numbers.filter((t) => elementTypes[t].signed),
  ),
  Round: call('rint'),
  Selu: unary((x, { f, curve, a }) => {
    const gamma = a('gamma', 1.0507009873554805);
    return `(${x} > ${f(0)}) ? ${gamma} * ${x} : ${gamma} * ${a('alpha', 1.6732632423543772)} * ${curve('expm1')}(${x})`;
  }),
  Shrink: unary(
    (x, { f, a }) =>
      `(${x} < -${a('lambd', 0.5)}) ? ${x} + ${a('bias', 0)} : ((${x} > ${a('lambd', 0.5)}) ? ${x} - ${a('bias', 0)} : ${f(0)})`,
  ),
  Sigmoid: ownCurve('sigmoid'),
  Sign: unary((x, { dtype }) => {
    const zero = literal(0, dtype);
    // Zero and what is no number are their own sign.
    if (elementTypes[dtype].kind === 'float')
      return `(${x} > ${zero}) ? ${literal(1, dtype)} : ((${x} < ${zero}) ? ${literal(-1, dtype)} : ${x})`;
    return `(${elementTypes[dtype].c})((${x} > ${zero}) - (${x} < ${zero}))`;
  }, numbers),
  Sin: call('sin'),
  Sinh: call('sinh'),
  Softplus: ownCurve('softplus'),
  Softsign: unary((x, { f, m }) => `${x} / (${f(1)} + ${m('fabs')}(${x}))`),
  Sqrt: call('sqrt'),
  Sub: arithmetic('-'),
  Sum: folded((a, b) => `${a} + ${b}`, floats),
  Swish: unary((x, pen) => `${x} * ${pen.curve('sigmoid')}(${pen.a('alpha', 1)} * ${x})`),
  Tan: call('tan'),
  Tanh: ownCurve('tanh'),
  ThresholdedRelu: unary((x, { f, a }) => `(${x} > ${a('alpha', 1)}) ? ${x} : ${f(0)}`),
  Where: {
    covers: 'all, with broadcasting',
    inputs: ['condition', 'a', 'b'],
    required: 3,
    types: ['bool'],
    mixed: [1, 2],
    check: (layer) => {
      const [a, b] = [inputOf(layer, 1), inputOf(layer, 2)];
      if (a.dtype !== b.dtype) invalid(layer.node, `it chooses between ${a.dtype} and ${b.dtype}`);
    },
    elementwise: true,
    write: (desk) => overElements(desk, ([condition, a, b]) => `${condition} ? ${a} : ${b}`),
  },
  Xor: logical((a, b) => `${a} != ${b}`),
} as const satisfies Record<string, OperatorRule>;
