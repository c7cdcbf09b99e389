// Networks of the common families, exported by PyTorch, are trained on here as PyTorch trains them on (fixtures/architectures.py).
import { readFileSync } from 'node:fs';
import { decodeModel, openSession, type RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { product } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { binaryCrossEntropy, crossEntropy } from '../losses/classification.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { sgd } from '../optimisers/optimisers.ts';
import { networkFromModel } from './import.ts';

const file = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const { batch, side, steps, networks } = JSON.parse(file('architectures.json').toString()) as {
  readonly batch: number;
  readonly side: number;
  readonly steps: number;
  readonly networks: Readonly<
    Record<
      string,
      {
        readonly kind: 'classes' | 'numbers' | 'mask';
        readonly rate: number;
        readonly answer: readonly number[];
        readonly losses: readonly number[];
      }
    >
  >;
};

const wave = (dims: readonly number[], pace: number): RunTensor & { data: Float32Array } => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: product(dims) }, (_, i) => Math.sin(pace * i + 0.11 * ((i * i) % 97))),
});
const image = wave([batch, 3, side, side], 0.7391);
const area = side * side;
const targets = {
  classes: (): RunTensor => ({ dtype: 'int64', dims: [batch], data: BigInt64Array.of(0n, 1n, 2n, 1n) }),
  numbers: (dims: readonly number[]) => wave(dims, 1.3),
  mask: (dims: readonly number[]): RunTensor => ({
    dtype: 'float32',
    dims,
    data: Float32Array.from({ length: batch * area }, (_, i) =>
      (image.data[Math.floor(i / area) * 3 * area + (i % area)] as number) > 0.2 ? 1 : 0,
    ),
  }),
};
const losses = { classes: crossEntropy(), numbers: meanSquaredError, mask: binaryCrossEntropy() };

describe('exported families', () => {
  test.each(Object.entries(networks))(
    '%s: the losses of PyTorch, and an exported model that runs',
    async (name, one) => {
      const network = networkFromModel(decodeModel(file(`${name}.onnx`)), { followStatistics: true });
      const target = targets[one.kind](one.answer);
      const column = ({ dtype, dims }: RunTensor) => ({ dtype, dims: dims.slice(1) });
      const plan = {
        network,
        reader: rowReader({ image: column(image), target: column(target) }),
        loss: losses[one.kind],
        optimiser: sgd(),
        batch,
      };
      await using runtime = await TrainingRuntime.open({ plan, data: { image, target }, seed: 0 });
      const index = Int32Array.from({ length: steps * batch }, (_, i) => i % batch);
      const got = await runtime.train(index, new Float32Array(steps).fill(one.rate));
      const errors = one.losses.map((want, i) => Math.abs(want - (got[i] as number)) / want);
      expect(Math.max(...errors)).toBeLessThan(1e-3);
      await using session = await openSession(exportModel(network, runtime.tensors()));
      const { answer } = await session.run({ image });
      expect(answer?.dims).toEqual(one.answer);
    },
  );
});
