// Convolutions in the runtime's own layout against the standard operators, whose gradients are held to PyTorch by rules.test.ts.
import { GraphBuilder, modelOf, openSession, type RunTensor, type Value } from '@sanderling/onnx';
import { beforeAll, describe, expect, test } from 'vitest';
import { Algebra, product } from '../algebra.ts';
import { blockSize } from '../compile/block-size.ts';
import { Tape } from './tape.ts';

interface Shape {
  readonly batch: number;
  readonly channels: number;
  readonly filters: number;
  readonly size: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly dilations?: readonly [number, number];
  readonly pads?: readonly number[];
  readonly depthwise?: boolean;
}

const same = [1, 1, 1, 1];
const shapes: Readonly<Record<string, Shape>> = {
  'depthwise, 3×3': { batch: 3, channels: 32, filters: 32, size: [7, 5], kernel: [3, 3], pads: same, depthwise: true },
  'depthwise, strided': {
    batch: 2,
    channels: 16,
    filters: 16,
    size: [8, 6],
    kernel: [3, 3],
    pads: same,
    strides: [2, 2],
    depthwise: true,
  },
  'depthwise, odd size, one stride': {
    batch: 2,
    channels: 16,
    filters: 16,
    size: [9, 8],
    kernel: [5, 3],
    pads: [2, 1, 2, 1],
    strides: [2, 1],
    depthwise: true,
  },
  'depthwise, dilated, no padding': {
    batch: 1,
    channels: 48,
    filters: 48,
    size: [9, 9],
    kernel: [3, 2],
    dilations: [2, 3],
    depthwise: true,
  },
  'depthwise, a row that no stride reaches': {
    batch: 1,
    channels: 16,
    filters: 16,
    size: [8, 8],
    kernel: [3, 3],
    strides: [2, 2],
    depthwise: true,
  },
  'dense, 3×3': { batch: 16, channels: 16, filters: 32, size: [6, 5], kernel: [3, 3], pads: same },
  'dense, 5×5, two blocks of samples': {
    batch: 32,
    channels: 32,
    filters: 16,
    size: [7, 6],
    kernel: [5, 5],
    pads: [2, 2, 2, 2],
  },
  'dense, strided and dilated': {
    batch: 16,
    channels: 16,
    filters: 16,
    size: [11, 9],
    kernel: [3, 3],
    pads: [2, 1, 2, 1],
    strides: [2, 2],
    dilations: [2, 1],
  },
  'dense, 5×5 by points': {
    batch: 16,
    channels: 64,
    filters: 64,
    size: [7, 8],
    kernel: [5, 5],
    pads: [2, 2, 2, 2],
  },
  'dense, 3×3 by points, unequal padding': {
    batch: 3,
    channels: 128,
    filters: 128,
    size: [5, 8],
    kernel: [3, 3],
    pads: [0, 2, 1, 0],
  },
  'dense, a batch that fills no block': {
    batch: 5,
    channels: 32,
    filters: 16,
    size: [6, 6],
    kernel: [3, 3],
    pads: same,
  },
};

const wave = (dims: readonly number[], k: number): RunTensor => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: product(dims) }, (_, i) => Math.sin(0.7391 * i + 0.11 * ((i * i) % 97) + k)),
});

/** Output and gradients of x, weights and bias, and whether anything ran in blocks. */
async function numbersOf(shape: Shape, block: number): Promise<{ numbers: Float32Array[]; blocked: boolean }> {
  const { batch, channels, filters, size, kernel, depthwise = false } = shape;
  const dims = {
    x: [batch, channels, ...size],
    w: [filters, depthwise ? 1 : channels, ...kernel],
    b: [filters],
  };
  const network = new GraphBuilder('network');
  const inputs = Object.entries(dims).map(([name, of]) => network.input(name, 'float32', of));
  const y = network.op('Conv', inputs, {
    kernel_shape: [...kernel],
    strides: [...(shape.strides ?? [1, 1])],
    dilations: [...(shape.dilations ?? [1, 1])],
    pads: [...(shape.pads ?? [0, 0, 0, 0])],
    group: depthwise ? channels : 1,
  });
  const m = new Algebra(network);
  network.output('y', y);
  network.output('loss', m.sum(m.mul(m.square(y), 0.5)));
  const builder = new GraphBuilder('checked');
  const bind = new Map(Object.entries(dims).map(([name, of]) => [name, builder.input(name, 'float32', of)] as const));
  const still = { uniform: () => m.number(0), follows: () => false, update: () => undefined };
  const tape = new Tape(builder, { ...still, block });
  tape.watch(bind.values());
  const values = tape.record(network.build(), bind);
  const gradients = tape.gradients(values.get('loss') as Value, [...bind.values()]);
  [values.get('y') as Value, ...gradients].forEach((value, i) => builder.output(`result${i}`, value));
  await using session = await openSession(modelOf(builder.build()));
  const out = await session.run(Object.fromEntries(Object.entries(dims).map(([name, of], k) => [name, wave(of, k)])));
  return {
    numbers: Object.values(out).map(({ data }) => data as Float32Array),
    blocked: builder.nodes.some(({ domain }) => domain !== ''),
  };
}

describe('convolutions in blocks', () => {
  let block = 0;
  beforeAll(async () => {
    block = await blockSize();
    if (block === 0) console.log('skipped: this runtime has no layout of its own for convolutions');
  });

  test.each(Object.entries(shapes))('%s equals the standard operators', async (_, shape) => {
    if (block === 0) return;
    const [standard, blocked] = [await numbersOf(shape, 0), await numbersOf(shape, block)];
    expect(standard.blocked).toBe(false);
    expect(blocked.blocked).toBe(true);
    standard.numbers.forEach((want, k) => {
      const got = blocked.numbers[k] as Float32Array;
      const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      expect(got.length).toBe(want.length);
      const error = want.reduce((most, x, i) => Math.max(most, Math.abs(x - (got[i] as number))), 0);
      expect(error / scale).toBeLessThan(1e-5);
    });
  });
});
