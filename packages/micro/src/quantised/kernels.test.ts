// Int8 kernels against exact integers, byte for byte, over random shapes; a property of the fixed-point arithmetic; convolutions in the QLinear form.
import { createRandom, type Random } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Model, type Value } from '@sanderling/onnx';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasBoardTools, hasCompiler, measure, type Elements } from '../index.ts';
import { factorOf } from './fixed-point.ts';
import { erf } from './expression.ts';
import {
  added,
  averaged,
  convolved,
  multiplied,
  requantised,
  times,
  type Codes,
  type Target,
  type Weighted,
  type Window,
} from './reference.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn('skipped: no gcc on PATH, so int8 kernels are not run');
const boardTools = await hasBoardTools();
if (!boardTools)
  console.warn('skipped: int8 kernels are not run on boards, for want of qemu-system-arm, gcc-arm-none-eabi');

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const f32 = Math.fround;

interface Case {
  readonly name: string;
  readonly model: Model;
  readonly call: Elements;
  readonly wanted: readonly number[];
}

class Maker {
  readonly random: Random;
  readonly b = new GraphBuilder('one', { opset: 21 });
  readonly call: Record<string, Int8Array | Uint8Array> = {};
  readonly unsigned: boolean;

  constructor(seed: number) {
    this.random = createRandom(seed, 'kernels');
    this.unsigned = this.random.next() < 0.3;
  }

  #byte(code: number): Value {
    const { unsigned } = this;
    return this.b.constant(tensorOf(unsigned ? 'uint8' : 'int8', [], [unsigned ? code + 128 : code]));
  }

  /** An input of codes; in the model int8, or uint8 (128 more). */
  input(name: string, dims: readonly number[]): { codes: Codes; value: Value } {
    const { random, b, unsigned } = this;
    const raw = Array.from({ length: product(dims) }, () => random.int(-128, 127));
    const codes = { dims, codes: raw, scale: f32(random.uniform(0.01, 0.05)), zero: random.int(-128, 127) };
    this.call[name] = unsigned ? Uint8Array.from(raw, (code) => code + 128) : Int8Array.from(raw);
    const x = b.input(name, unsigned ? 'uint8' : 'int8', dims);
    return { codes, value: b.op('DequantizeLinear', [x, b.scalar(codes.scale), this.#byte(codes.zero)]) };
  }

  /** Weights with a scale for each place of axis 0, and a real bias. `shown`: their shape in the model. */
  weights(dims: readonly number[], shown = dims): { weighted: Weighted; value: Value; bias: Value } {
    const { random, b } = this;
    const channels = dims[0]!;
    const codes = Array.from({ length: product(dims) }, () => random.int(-127, 127));
    const scales = Array.from({ length: channels }, () => f32(random.uniform(0.002, 0.01)));
    const bias = Array.from({ length: channels }, () => f32(random.uniform(-1, 1)));
    const zeros = tensorOf('int8', [channels], new Int8Array(channels));
    const parts = [b.constant(tensorOf('int8', shown, codes)), b.constant(tensorOf('float32', [channels], scales))];
    const value = b.op('DequantizeLinear', [...parts, b.constant(zeros)], { axis: 0 });
    return { weighted: { dims, codes, scales, bias }, value, bias: b.constant(tensorOf('float32', [channels], bias)) };
  }

  /** Finishes the model with an output of codes. `kept`: codes below the zero point are cut, as by Relu. */
  finish(value: Value, scale: number, relu: boolean): Target {
    const { random, b } = this;
    const zero = random.int(-60, 60);
    b.output('y', b.op('QuantizeLinear', [relu ? b.op('Relu', [value]) : value, b.scalar(scale), this.#byte(zero)]));
    return { scale, zero, low: relu ? zero : -128, high: 127 };
  }

  done(name: string, codes: readonly number[]): Case {
    const wanted = this.unsigned ? codes.map((code) => code + 128) : codes;
    return { name, model: this.b.model(), call: this.call, wanted };
  }
}

type Four = [number, number, number, number];

const outputSize = (size: number, reach: number, stride: number): number => Math.floor((size - reach) / stride) + 1;

function convolution(seed: number): Case {
  const maker = new Maker(seed);
  const { random, b } = maker;
  const flat = random.next() < 0.3;
  const group = random.pick([1, 1, 2, 5]);
  const inner = group === 5 ? 1 : random.int(1, 6);
  const maps = group === 5 && random.next() < 0.7 ? 5 : group * random.int(1, 4);
  const [high, wide] = [flat ? 1 : random.int(3, 8), random.int(3, 8)];
  const [kh, kw] = [flat ? 1 : random.int(1, 3), random.int(1, 3)];
  const dilations = [kh > 1 && high > 4 ? random.int(1, 2) : 1, kw > 1 && wide > 4 ? random.int(1, 2) : 1] as const;
  const strides = [flat ? 1 : random.int(1, 2), random.int(1, 3)] as const;
  const pads = [
    flat ? 0 : random.int(0, kh - 1),
    random.int(0, kw - 1),
    flat ? 0 : random.int(0, 1),
    random.int(0, 1),
  ] as const;
  const dims = [random.int(1, 2), group * inner, high, wide];
  const x = maker.input('x', flat ? [dims[0]!, dims[1]!, wide] : dims);
  const w = maker.weights([maps, inner, kh, kw], flat ? [maps, inner, kw] : undefined);
  const output = [
    outputSize(high + pads[0] + pads[2], (kh - 1) * dilations[0] + 1, strides[0]),
    outputSize(wide + pads[1] + pads[3], (kw - 1) * dilations[1] + 1, strides[1]),
  ] as const;
  const window: Window = { group, strides, dilations, begins: [pads[0], pads[1]], output };
  const cut = (list: readonly number[]): readonly number[] => (flat ? list.filter((_, i) => i % 2 === 1) : list);
  const y = b.op('Conv', [x.value, w.value, w.bias], {
    group,
    strides: cut(strides),
    dilations: cut(dilations),
    pads: cut(pads),
  });
  const to = maker.finish(y, f32(random.uniform(0.02, 0.08)), random.next() < 0.5);
  return maker.done(`conv ${seed}`, convolved({ ...x.codes, dims }, w.weighted, window, to));
}

/** Taps of one channel each that are neighbours: every border, kernel, stride, dilation of rows, in odd and even widths, with and without fours of channels. */
function planes(seed: number): Case {
  const maker = new Maker(seed);
  const { random, b } = maker;
  const kernel = random.next() < 0.4 ? ([3, 3] as const) : ([random.int(1, 4), random.int(1, 7)] as const);
  const dilations = [kernel[0] > 1 ? random.int(1, 2) : 1, 1] as const;
  const span = (kernel[0] - 1) * dilations[0] + 1;
  const dims = [random.int(1, 2), random.int(2, 9), random.int(span, 13), random.int(kernel[1], 13)] as const;
  const [, group, high, wide] = dims;
  const strides = [random.int(1, 3), random.int(1, 2)] as const;
  const pads = Array.from({ length: 4 }, (_, i) => random.int(0, Math.max(1, kernel[i % 2]! - 1))) as Four;
  const x = maker.input('x', dims);
  const w = maker.weights([group, 1, ...kernel]);
  const output = [
    outputSize(high + pads[0] + pads[2], span, strides[0]),
    outputSize(wide + pads[1] + pads[3], kernel[1], strides[1]),
  ] as const;
  const y = b.op('Conv', [x.value, w.value, w.bias], { group, strides, dilations, pads });
  const to = maker.finish(y, f32(random.uniform(0.02, 0.08)), random.next() < 0.5);
  const window: Window = { group, strides, dilations, begins: [pads[0], pads[1]], output };
  return maker.done(`planes ${seed}`, convolved(x.codes, w.weighted, window, to));
}

function matrix(seed: number): Case {
  const maker = new Maker(seed);
  const { random, b } = maker;
  const [rows, depth, columns] = [random.int(1, 5), random.int(1, 40), random.int(1, 9)];
  const x = maker.input('x', [rows, depth]);
  const w = maker.weights([columns, depth]);
  const y = b.op('Gemm', [x.value, w.value, w.bias], { transB: 1 });
  const to = maker.finish(y, f32(random.uniform(0.02, 0.08)), random.next() < 0.5);
  return maker.done(`gemm ${seed}`, multiplied(x.codes, w.weighted, to));
}

function pair(seed: number): Case {
  const maker = new Maker(seed);
  const { random, b } = maker;
  const dims = [1, random.int(1, 4), random.int(1, 6)];
  const [one, two] = [maker.input('a', dims), maker.input('b', dims)];
  const operator = random.pick(['Add', 'Sub', 'Mul']);
  const y = b.op(operator, [one.value, two.value]);
  const to = maker.finish(y, f32(random.uniform(0.02, 0.08)), random.next() < 0.3);
  const wanted =
    operator === 'Mul'
      ? times(one.codes, two.codes, to)
      : added([one.codes, two.codes], [1, operator === 'Add' ? 1 : -1], to);
  return maker.done(`${operator} ${seed}`, wanted);
}

function mean(seed: number): Case {
  const maker = new Maker(seed);
  const { random, b } = maker;
  const x = maker.input('x', [random.int(1, 2), random.int(1, 6), random.int(1, 7), random.int(1, 7)]);
  const to = maker.finish(b.op('GlobalAveragePool', [x.value]), f32(random.uniform(0.005, 0.05)), false);
  return maker.done(`mean ${seed}`, averaged(x.codes, to));
}

describe.runIf(boardTools)('kernels of boards', () => {
  test('depthwise convolutions are those of exact integers, byte for byte', async () => {
    for (let i = 0; i < 10; i += 1) {
      const { model, call, wanted, name } = planes(51 + i);
      const generated = await generateC(model, { name: 'planes' });
      const board = i % 2 === 0 ? 'm7' : 'm4';
      const { outputs } = await measure(generated, { board, inputs: [call], optimise: i % 3 === 0 ? '-O3' : '-O2' });
      expect({ name, codes: Array.from(outputs[0]!['y'] as Int8Array) }).toEqual({ name, codes: wanted });
    }
  });
});

describe.skipIf(!compiler)('kernels', () => {
  test('convolutions, products, sums and means are those of exact integers, byte for byte', async () => {
    const kinds = [convolution, convolution, planes, matrix, pair, mean, planes];
    const cases = Array.from({ length: 42 }, (_, i) => kinds[i % kinds.length]!(i + 1));
    const generated = await Promise.all(cases.map(({ model }, i) => generateC(model, { name: `k${i}` })));
    await using host = await compileForHost(generated, { sanitize: true, optimise: '-O0' });
    const wrong: string[] = [];
    for (const [i, { name, call, wanted }] of cases.entries()) {
      const [got] = await host.run([call], i);
      if (Array.from(got!['y'] as Int8Array).join() !== wanted.join()) wrong.push(name);
    }
    expect(wrong).toEqual([]);
    const layers = new Set(generated.flatMap(({ report }) => report.layers.map(({ operator }) => operator)));
    for (const layer of ['Int8Conv', 'Int8DepthwiseConv', 'Int8Dense', 'Int8Add', 'Int8Mul', 'Int8AveragePool'])
      expect(layers).toContain(layer);
    for (const layer of ['Conv', 'Gemm', 'Add', 'QuantizeLinear', 'Int8Quantise']) expect(layers).not.toContain(layer);
  });

  test('nothing in a model of codes alone computes with floating-point numbers', async () => {
    const { files } = await generateC(convolution(1).model, { name: 'codes' });
    expect(files['codes.c']).not.toMatch(/\bfloat\b|\bdouble\b|rintf/);
  });
});

test('a factor is an odd multiple of 2^-32, so that scaled sums have no ties, and as near as one can be', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.4999999, noNaN: true }),
      fc.integer({ min: -(2 ** 30), max: 2 ** 30 }),
      (real, sum) => {
        const multiplier = factorOf(real)!;
        expect(multiplier % 2).toBe(1);
        expect(Math.abs(multiplier / 2 ** 32 - real)).toBeLessThanOrEqual(2 ** -32);
        expect(multiplier).toBeLessThan(2 ** 31);
        expect(BigInt.asUintN(32, BigInt(sum) * BigInt(multiplier))).not.toBe(2n ** 31n);
      },
    ),
    { seed: 5 },
  );
  const to = { scale: 1, zero: 0, low: -128, high: 127 };
  expect([-5, -3, -1, 1, 3, 5].map((sum) => requantised(sum, 0.6, to))).toEqual([-3, -2, -1, 1, 2, 3]);
  expect([0.5, -0.1, Number.NaN].map(factorOf)).toEqual([undefined, undefined, undefined]);
});

test('erf has the digits of published tables', () => {
  const table = [
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [2, 0.995322265],
    [2.6, 0.9997639656],
    [3, 0.9999779095],
  ] as const;
  for (const [x, wanted] of table) {
    expect(erf(x)).toBeCloseTo(wanted, 9);
    expect(erf(-x)).toBeCloseTo(-wanted, 9);
  }
});
