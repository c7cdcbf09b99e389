// Networks of sequences, exported by PyTorch, are trained on here as PyTorch trains them on (fixtures/sequences.py): transformers, and recurrent layers
// whose weights the exporter cuts and joins inside the graph.
import { readFileSync } from 'node:fs';
import { decodeModel, type RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { product } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { crossEntropy } from '../losses/classification.ts';
import { parameterCount } from '../network.ts';
import { sgd } from '../optimisers/optimisers.ts';
import { networkFromModel } from './import.ts';

interface Exported {
  readonly input: readonly number[];
  readonly tokens: readonly number[] | null;
  readonly rate: number;
  readonly parameters: number;
  readonly losses: readonly number[];
}

const file = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const { batch, networks } = JSON.parse(file('sequences.json').toString()) as {
  readonly batch: number;
  readonly networks: Readonly<Record<string, Exported>>;
};

function inputOf({ input, tokens }: Exported): RunTensor {
  const dims = [batch, ...input];
  if (tokens !== null) return { dtype: 'int64', dims, data: BigInt64Array.from(tokens, BigInt) };
  const wave = (i: number) => Math.sin(0.7391 * i + 0.11 * ((i * i) % 97));
  return { dtype: 'float32', dims, data: Float32Array.from({ length: product(dims) }, (_, i) => wave(i)) };
}

describe('exported networks of sequences', () => {
  test.each(Object.entries(networks))('%s: all of its weights, and the losses of PyTorch', async (name, one) => {
    const network = networkFromModel(decodeModel(file(`${name}.onnx`)));
    expect(parameterCount(network)).toBe(one.parameters);
    const x = inputOf(one);
    const target: RunTensor = { dtype: 'int64', dims: [batch], data: BigInt64Array.of(0n, 1n, 2n, 1n) };
    const reader = rowReader({ x: { dtype: x.dtype, dims: one.input }, target: { dtype: 'int64', dims: [] } });
    const plan = { network, reader, loss: crossEntropy(), optimiser: sgd(), batch };
    await using runtime = await TrainingRuntime.open({ plan, data: { x, target }, seed: 0 });
    const steps = one.losses.length;
    const index = Int32Array.from({ length: steps * batch }, (_, i) => i % batch);
    const got = await runtime.train(index, new Float32Array(steps).fill(one.rate));
    const errors = one.losses.map((want, i) => Math.abs(want - (got[i] as number)) / want);
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });

  test('a mask and a scale are no weights', () => {
    const { graph, parameters } = networkFromModel(decodeModel(file('causal.onnx')));
    const masks = [...graph.initializers].filter(
      ([, { dtype, dims }]) => dtype === 'float32' && dims.join() === '1,1,8,8',
    );
    expect(masks.length).toBe(1);
    const others = graph.initializers
      .keys()
      .filter((name) => graph.initializers.get(name)?.dtype === 'float32' && !parameters.includes(name));
    expect(
      others.every((name) => name === masks[0]?.[0] || product(graph.initializers.get(name)?.dims ?? []) === 1),
    ).toBe(true);
  });
});
