// A network that PyTorch exported is trained on here as PyTorch trains it (fixtures/make.py).
import { readFileSync } from 'node:fs';
import { decodeModel, openSession, type RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { fit } from '../fit/fit.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { Layers } from '../layers/layers.ts';
import { crossEntropy } from '../losses/classification.ts';
import type { Network } from '../network.ts';
import { convolutionalAutoencoder, denseAutoencoder } from '../networks/autoencoders.ts';
import { forecasterNetwork } from '../networks/forecaster.ts';
import { pictureEmbedding } from '../networks/picture.ts';
import { adam, sgd } from '../optimisers/optimisers.ts';
import { frozen, headInput, networkFromModel } from './import.ts';

const file = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const fixture = JSON.parse(file('imported.json').toString()) as {
  readonly batch: number;
  readonly image: readonly number[];
  readonly labels: readonly number[];
  readonly losses: readonly number[];
};
const { batch } = fixture;
const data = {
  image: { dtype: 'float32', dims: [batch, 3, 12, 12], data: Float32Array.from(fixture.image) },
  target: { dtype: 'int64', dims: [batch], data: BigInt64Array.from(fixture.labels, BigInt) },
} as const satisfies Record<string, RunTensor>;
const reader = rowReader({ image: { dtype: 'float32', dims: [3, 12, 12] }, target: { dtype: 'int64', dims: [] } });
const planOf = (network: Network) => ({ network, reader, loss: crossEntropy(), optimiser: sgd(), batch });

async function lossesOf(network: Network, steps: number): Promise<Float32Array> {
  await using runtime = await TrainingRuntime.open({ plan: planOf(network), data, seed: 0 });
  const index = Int32Array.from({ length: steps * batch }, (_, i) => i % batch);
  return await runtime.train(index, new Float32Array(steps).fill(0.05));
}

describe('imported networks', () => {
  test('opset 17, every weight trained: the losses of PyTorch', async () => {
    const network = networkFromModel(decodeModel(file('imported-17.onnx')));
    const got = await lossesOf(network, fixture.losses.length);
    const errors = fixture.losses.map((want, i) => Math.abs(want - (got[i] as number)) / want);
    expect(Math.max(...errors)).toBeLessThan(1e-3);
  });

  test('opset 20: starts where PyTorch starts and learns', async () => {
    const got = await lossesOf(networkFromModel(decodeModel(file('imported.onnx'))), 30);
    expect(got[0]).toBeCloseTo(fixture.losses[0] as number, 5);
    expect(got[29]).toBeLessThan(0.8 * (got[0] as number));
  });

  test('frozen weights stay, others move', async () => {
    const network = frozen(networkFromModel(decodeModel(file('imported.onnx'))), (name) => name.startsWith('stem'));
    const train = Int32Array.from({ length: batch }, (_, i) => i);
    const { tensors } = await fit({
      plan: { ...planOf(network), optimiser: adam() },
      data,
      train,
      epochs: 3,
      learningRate: 0.01,
    });
    expect([...tensors.keys()].some((name) => name.startsWith('stem'))).toBe(false);
    const tuned = decodeModel(exportModel(network, tensors));
    const before = network.graph.initializers;
    expect(tuned.graph.initializers.get('stem.0.weight')?.data).toEqual(before.get('stem.0.weight')?.data);
    expect(tuned.graph.initializers.get('head.weight')?.data).not.toEqual(before.get('head.weight')?.data);
  });

  test('a new head on an old trunk: only the head is learnt, and the old head is gone', async () => {
    const trunk = frozen(networkFromModel(decodeModel(file('imported-17.onnx'))), () => true);
    const layers = new Layers('tuned', 3);
    const features = layers.append(trunk).get(headInput(trunk));
    if (features === undefined) throw new Error('the fixture has changed');
    const network = layers.network({ scores: layers.dense(features, 3, 'new_head') });
    expect(network.parameters).toEqual(['new_head.weight', 'new_head.bias']);
    expect(network.graph.initializers.has('head.weight')).toBe(false);
    const losses = await lossesOf(network, 200);
    expect(losses.at(-1)).toBeLessThan(losses[0] as number);
    await using session = await openSession(exportModel(network, new Map()));
    const out = await session.run({ image: data.image });
    expect(out['scores']?.dims).toEqual([batch, 3]);
  });

  test('an operator without a rule is named with its node', () => {
    const model = decodeModel(file('imported-17.onnx'));
    const nodes = model.graph.nodes.map((node) =>
      node.opType === 'HardSwish' ? { ...node, opType: 'Asinh', name: 'odd' } : node,
    );
    const network = networkFromModel({ ...model, graph: { ...model.graph, nodes } });
    return expect(lossesOf(network, 1)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      details: { operator: 'Asinh', node: 'odd' },
    });
  });

  test('what is exported here comes back with all of its weights', () => {
    const picture = { side: 16, classes: 3, filters: [2, 3, 4], units: 5, width: 4 } as const;
    const forecaster = { window: 6, features: 2, horizon: 3, hidden: 4 };
    const attentive = new Layers('attentive');
    const steps = attentive.attention(attentive.input('x', [5, 8]), 2, { causal: true });
    const made = [
      pictureEmbedding(picture),
      denseAutoencoder({ inputs: 8, units: [4] }),
      convolutionalAutoencoder({ length: 64, filters: [2, 3, 4] }),
      forecasterNetwork({ cell: 'gru', ...forecaster }),
      forecasterNetwork({ cell: 'lstm', ...forecaster }),
      forecasterNetwork({ cell: 'rnn', ...forecaster }),
      attentive.network({ y: attentive.layerNorm(steps) }),
    ];
    for (const network of made) {
      const again = networkFromModel(decodeModel(exportModel(network, new Map())));
      expect([...again.parameters].sort()).toEqual([...network.parameters].sort());
    }
  });

  test('refuses an opset that is too old, and a choice that trains nothing', () => {
    const model = decodeModel(file('imported-17.onnx'));
    expect(() => networkFromModel({ ...model, opsets: new Map([['', 9]]) })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
    expect(() => networkFromModel(model, { trainable: () => false })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
