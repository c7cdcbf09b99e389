// What a plan may add to a step: parts of a batch, moving averages, masks; each against what it must equal.
import { float32Data, type Tensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import type { TrainingPlan } from '../compile/plan.ts';
import { Layers } from '../layers/layers.ts';
import { crossEntropy } from '../losses/classification.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { denseAutoencoder } from '../networks/autoencoders.ts';
import { adam, sgd } from '../optimisers/optimisers.ts';
import { fit } from './fit.ts';
import { shareAt } from './pruning.ts';
import { TrainingRuntime, type Dataset } from './runtime.ts';

const rows = 48;
const wave = {
  dtype: 'float32' as const,
  dims: [rows, 6],
  data: Float32Array.from({ length: rows * 6 }, (_, i) => Math.sin(i * 0.37)),
};
const data = { x: wave, target: wave };
const column = { dtype: 'float32' as const, dims: [6] };
const network = denseAutoencoder({ inputs: 6, units: [5, 3] });
const plan: TrainingPlan = {
  network,
  reader: rowReader({ x: column, target: column }),
  loss: meanSquaredError,
  optimiser: adam(),
  batch: 12,
};
const all = Int32Array.from({ length: rows }, (_, i) => i);
const rates = (steps: number) => new Float32Array(steps).fill(0.01);

async function losses(of: TrainingPlan, steps = 20): Promise<number[]> {
  await using runtime = await TrainingRuntime.open({ plan: of, data, seed: 0 });
  const index = Int32Array.from({ length: steps * of.batch }, (_, i) => (i * 5) % rows);
  return Array.from(await runtime.train(index, rates(steps)));
}

/** Samples of two classes, the rare one at the end and ten times as heavy; rows 1,024 … 2,047 weigh nothing. */
function imbalanced(count: number) {
  const rare = (i: number) => i > 0.6 * count || i % 11 === 0;
  const numbersOf = (length: number, of: (i: number) => number) => Float32Array.from({ length }, (_, i) => of(i));
  const layers = new Layers('two', 3);
  const classWeights = [1, 10];
  return {
    classWeights,
    network: layers.network({ logits: layers.dense(layers.input('x', [2]), 2, 'head') }),
    reader: rowReader({
      x: { dtype: 'float32', dims: [2] },
      target: { dtype: 'int64', dims: [] },
      weight: { dtype: 'float32', dims: [] },
    }),
    loss: crossEntropy({ classWeights }),
    weights: 'weight',
    data: {
      x: {
        dtype: 'float32' as const,
        dims: [count, 2],
        data: numbersOf(2 * count, (i) => Math.sin(i * 0.7) + (rare(i >> 1) ? 1 : 0)),
      },
      target: {
        dtype: 'int64' as const,
        dims: [count],
        data: BigInt64Array.from({ length: count }, (_, i) => (rare(i) ? 1n : 0n)),
      },
      weight: {
        dtype: 'float32' as const,
        dims: [count],
        data: numbersOf(count, (i) => (i >= 1024 && i < 2048 ? 0 : 1 + (i % 3))),
      },
    },
  };
}

async function weightedLosses(of: Omit<TrainingPlan, 'data'> & { data: Dataset }): Promise<number[]> {
  await using runtime = await TrainingRuntime.open({ plan: of, data: of.data, seed: 0 });
  const index = Int32Array.from({ length: 20 * of.batch }, (_, i) => (i * 5) % 96);
  return Array.from(await runtime.train(index, new Float32Array(20).fill(0.3)));
}

describe('plans', () => {
  test('a batch in parts gives the same training as the whole batch', async () => {
    const [whole, parts] = [await losses(plan), await losses({ ...plan, parts: 3 })];
    for (const [i, loss] of whole.entries()) expect(parts[i]).toBeCloseTo(loss, 5);
  });

  test('a weighted batch in parts gives the same training as the whole batch', async () => {
    const weighted = { ...imbalanced(96), optimiser: sgd(), batch: 24 };
    const [whole, parts] = [await weightedLosses(weighted), await weightedLosses({ ...weighted, parts: 3 })];
    expect(whole.at(-1)).toBeLessThan(0.9 * (whole[0] as number));
    for (const [i, loss] of whole.entries()) expect(parts[i]).toBeCloseTo(loss, 5);
  });

  test.each([[900], [1500], [2048], [2500]])(
    'the mean loss of %i samples is weighted over all of them',
    async (count) => {
      const { data: samples, network: net, classWeights, ...rest } = imbalanced(count);
      await using runtime = await TrainingRuntime.open({
        plan: { ...rest, network: net, optimiser: sgd(), batch: 4 },
        data: samples,
        seed: 0,
      });
      const tensor = (name: string) => float32Data(net.graph.initializers.get(name) as Tensor);
      const [weight, bias] = [tensor('head.weight'), tensor('head.bias')];
      let [sum, shares] = [0, 0];
      for (let row = 0; row < count; row += 1) {
        const [a, b] = [Number(samples.x.data[2 * row]), Number(samples.x.data[2 * row + 1])];
        const logit = (k: number) => Number(weight[2 * k]) * a + Number(weight[2 * k + 1]) * b + Number(bias[k]);
        const label = Number(samples.target.data[row]);
        const share = Number(classWeights[label]) * Number(samples.weight.data[row]);
        sum += share * Math.log1p(Math.exp(logit(1 - label) - logit(label)));
        shares += share;
      }
      const index = Int32Array.from({ length: count }, (_, i) => i);
      expect((await runtime.evaluate(index)) / (sum / shares)).toBeCloseTo(1, 5);
    },
  );

  test('the moving average is what is evaluated and kept', async () => {
    const decay = 0.9;
    await using runtime = await TrainingRuntime.open({
      plan: { ...plan, optimiser: sgd(), averageDecay: decay },
      data,
      seed: 0,
    });
    let expected = Float32Array.from(runtime.state.get('dense1.weight')?.data as Float32Array);
    for (let step = 0; step < 5; step += 1) {
      await runtime.train(all.subarray(step, step + 12), rates(1));
      const now = runtime.state.get('dense1.weight')?.data as Float32Array;
      expected = expected.map((average, i) => decay * average + (1 - decay) * (now[i] as number));
    }
    const got = float32Data(runtime.tensors().get('dense1.weight') as Tensor);
    for (const [i, average] of expected.entries()) expect(got[i]).toBeCloseTo(average, 5);
    expect(Array.from(got)).not.toEqual(Array.from(runtime.state.get('dense1.weight')?.data as Float32Array));
  });

  test.each(['weights', 'filters'] as const)(
    'pruned %s are exactly zero, as many as asked, and the rest goes on learning',
    async (structure) => {
      const masked = ['dense1.weight', 'dense2.weight'];
      const pruning = { share: 0.5, epochs: 4, structure };
      const result = await fit({
        plan: { ...plan, masked },
        data,
        train: all,
        epochs: 12,
        learningRate: 0.01,
        pruning,
      });
      expect(result.bestEpoch).toBeGreaterThanOrEqual(pruning.epochs);
      const values = masked.map((name) => float32Data(result.tensors.get(name) as Tensor));
      const total = values.reduce((sum, one) => sum + one.length, 0);
      const zeros = values.reduce((sum, one) => sum + one.filter((weight) => weight === 0).length, 0);
      if (structure === 'weights') expect(zeros).toBe(Math.floor(total / 2));
      else expect(zeros).toBe(2 * 6 + 1 * 5);
      expect(result.history.at(-1)?.trainLoss).toBeLessThan(result.history[4]?.trainLoss as number);
    },
  );

  test('the share grows to its end and stays', () => {
    const pruning = { share: 0.8, epochs: 4, structure: 'weights' } as const;
    expect([1, 2, 4, 9].map((epoch) => shareAt(pruning, epoch))).toEqual([
      0.8 * (1 - 0.75 ** 3),
      0.8 * (1 - 0.5 ** 3),
      0.8,
      0.8,
    ]);
  });

  test.each([
    [{ parts: 5 }, 'parts'],
    [{ averageDecay: 1 }, 'averageDecay'],
    [{ masked: ['none'] }, 'none'],
    [{ prediction: 'none' }, 'prediction'],
  ])('refuses %o', async (wrong, where) => {
    await expect(losses({ ...plan, ...wrong })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where });
  });

  test('refuses data of another shape', async () => {
    const wrong = { ...data, x: { ...wave, dims: [rows * 2, 3] } };
    await expect(TrainingRuntime.open({ plan, data: wrong, seed: 0 })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      where: 'x',
    });
  });
});
