// Training through 8-bit rounding: gradients as PyTorch's fake_quantize defines them, and a better 8-bit model at the end.
import { GraphBuilder, modelOf, openSession, tensorOf, type Value } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { Algebra } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { fit } from '../fit/fit.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { Tape } from '../gradients/tape.ts';
import { Layers } from '../layers/layers.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { parameterCount, withInitializers, type Network } from '../network.ts';
import { adam } from '../optimisers/optimisers.ts';
import { folded } from './folded.ts';
import { frozen } from './import.ts';
import { calibrate, quantisationAware } from './quantisation.ts';

const rows = 256;
const x = {
  dtype: 'float32' as const,
  dims: [rows, 4],
  data: Float32Array.from({ length: rows * 4 }, (_, i) => Math.sin(i * 1.7) * 2),
};
const target = {
  dtype: 'float32' as const,
  dims: [rows, 1],
  data: Float32Array.from(
    { length: rows },
    (_, r) => Math.sin(x.data[r * 4] as number) * (x.data[r * 4 + 1] as number) + (x.data[r * 4 + 3] as number),
  ),
};
const data = { x, target };
const reader = rowReader({ x: { dtype: 'float32', dims: [4] }, target: { dtype: 'float32', dims: [1] } });
const all = Int32Array.from({ length: rows }, (_, i) => i);

function network() {
  const layers = new Layers('small', 2);
  let y = layers.m.tanh(layers.dense(layers.input('x', [4]), 24));
  y = layers.m.tanh(layers.dense(y, 24));
  return layers.network({ y: layers.dense(y, 1) });
}

const planOf = (of: ReturnType<typeof network>) => ({
  network: of,
  reader,
  loss: meanSquaredError,
  optimiser: adam(),
  batch: 32,
});

describe('quantisation-aware training', () => {
  test('the gradient passes straight through within the range and stops outside', async () => {
    const inner = new GraphBuilder('pair');
    const m = new Algebra(inner);
    const codes = [inner.constant(tensorOf('float32', [], [0.1])), inner.constant(tensorOf('uint8', [], [10]))];
    const q = m.op('QuantizeLinear', [inner.input('x', 'float32', [5]), ...codes]);
    inner.output(
      'y',
      m.sum(m.mul(m.op('DequantizeLinear', [q, ...codes]), inner.constant(tensorOf('float32', [5], [1, 2, 3, 4, 5])))),
    );
    const b = new GraphBuilder('test');
    const input = b.input('x', 'float32', [5]);
    const tape = new Tape(b);
    tape.watch([input]);
    const y = tape.record(inner.build(), new Map([['x', input]])).get('y');
    b.output('gradient', tape.gradients(y as typeof input, [input])[0] as typeof input);
    await using session = await openSession(modelOf(b.build()));
    const out = await session.run({
      x: { dtype: 'float32', dims: [5], data: Float32Array.of(-2, -0.99, 0, 24.4, 25) },
    });
    // codes 0 … 255 cover −1.05 … 24.55
    expect(Array.from(out['gradient']?.data as Float32Array)).toEqual([0, 2, 3, 4, 0]);
  });

  test('an 8-bit model trained through its rounding is better than one rounded afterwards, and the exported model keeps its loss', async () => {
    const float = network();
    const trained = await fit({ plan: planOf(float), data, train: all, epochs: 60, learningRate: 0.01 });
    const good = { ...float, graph: withInitializers(float.graph, trained.tensors) };
    const rounded = quantisationAware(good, await calibrate(good, [{ x }]));
    await using before = await TrainingRuntime.open({ plan: planOf(rounded), data, seed: 0 });
    const roundedLoss = await before.evaluate(all);
    const tuned = await fit({
      plan: planOf(rounded),
      data,
      train: all,
      validation: all,
      epochs: 15,
      learningRate: 5e-4,
    });
    expect(tuned.bestLoss).toBeLessThan(0.8 * roundedLoss);
    await using session = await openSession(exportModel(rounded, tuned.tensors));
    const { y } = await session.run({ x });
    const loss = target.data.reduce((sum, want, i) => sum + ((y?.data[i] as number) - want) ** 2, 0) / rows;
    expect(loss).toBeCloseTo(tuned.bestLoss, 3);
  });

  test('BatchNormalization is folded away: the same answers before rounding, its numbers learnt on, frozen layers not', async () => {
    const layers = new Layers('norms', 3);
    const { m } = layers;
    const norm = (y: Value) => m.relu(layers.batchNorm(y));
    const first = norm(layers.convolution(layers.input('image', [2, 6, 6]), { filters: 4, kernel: 3, bias: false }));
    const second = norm(layers.convolution(first, { filters: 4, kernel: 3, groups: 4 }));
    const whole = layers.network({ y: layers.dense(layers.globalAverage(second), 2) });
    const numbers = ['norm1.mean', 'norm1.variance', 'norm2.mean', 'norm2.scale'].map((name, k) => {
      const tensor = tensorOf('float32', [4], [0.3 + k, 0.7, 1.1 * k + 0.1, 0.4]);
      return [name, tensor] as const;
    });
    const network = { ...whole, graph: withInitializers(whole.graph, new Map(numbers)) };
    const image = {
      dtype: 'float32' as const,
      dims: [8, 2, 6, 6],
      data: Float32Array.from({ length: 576 }, (_, i) => Math.sin(i * 1.3)),
    };
    const answer = async (of: Network) => {
      await using session = await openSession(modelOf(of.graph));
      return Array.from((await session.run({ image }))['y']?.data as Float32Array);
    };
    const before = await answer(network);
    for (const [i, number] of (await answer(folded(network))).entries())
      expect(number).toBeCloseTo(before[i] as number, 5);
    const rounded = quantisationAware(network, await calibrate(network, [{ image }]));
    expect(rounded.graph.nodes.map(({ opType }) => opType)).not.toContain('BatchNormalization');
    expect(rounded.buffers).toEqual([]);
    expect(parameterCount(rounded)).toBe(4 * 2 * 9 + 4 + 4 * 9 + 4 + 10);
    const half = frozen(network, (name) => name.startsWith('conv1') || name.startsWith('norm1'));
    expect(parameterCount(folded(half))).toBe(4 * 9 + 4 + 10);
    const rough = await answer(rounded);
    for (const [i, number] of rough.entries()) expect(Math.abs(number - (before[i] as number))).toBeLessThan(0.05);
  });

  test('refuses a network without learnt layers and activations without a range', () => {
    const of = network();
    expect(() => quantisationAware({ ...of, parameters: [] }, new Map())).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(() => quantisationAware(of, new Map())).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', where: 'x' }),
    );
  });
});
