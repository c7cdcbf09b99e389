// The ready networks against PyTorch (fixtures/networks.py): the same weights, data and batches give the same loss curve.
import { readFileSync } from 'node:fs';
import { tensorOf, type RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { product } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { crossEntropy } from '../losses/classification.ts';
import type { Loss } from '../losses/loss.ts';
import { angularMargin } from '../losses/margin.ts';
import { dice } from '../losses/overlap.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { withInitializers, type Network } from '../network.ts';
import { adam } from '../optimisers/optimisers.ts';
import { convolutionalAutoencoder, denseAutoencoder } from './autoencoders.ts';
import { depthwiseClassifier } from './depthwise.ts';
import { pictureClassifier, pictureEmbedding } from './picture.ts';
import { maskNetwork } from './mask.ts';

interface Run {
  readonly name: keyof typeof problems;
  readonly rate: number;
  readonly parameters: readonly string[];
  readonly losses: readonly number[];
  readonly statistics: Readonly<Record<string, readonly number[]>>;
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/networks.json', import.meta.url), 'utf8')) as {
  readonly steps: number;
  readonly rows: number;
  readonly batch: number;
  readonly runs: readonly Run[];
};
const { rows, batch, steps } = fixture;

const wave = (dims: readonly number[]): RunTensor => {
  const data = Float32Array.from({ length: rows * product(dims) }, (_, i) =>
    Math.sin(0.7391 * i + 0.11 * ((i * i) % 97)),
  );
  return { dtype: 'float32', dims: [rows, ...dims], data };
};
const labels: RunTensor = {
  dtype: 'int64',
  dims: [rows],
  data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 3)),
};
const image = wave([3, 16, 16]);
const masks: RunTensor = {
  dtype: 'float32',
  dims: [rows, 1, 16, 16],
  data: Float32Array.from({ length: rows * 256 }, (_, i) =>
    Number(image.data[Math.floor(i / 256) * 768 + (i % 256)]) > 0.2 ? 1 : 0,
  ),
};

interface Problem {
  readonly network: Network;
  readonly input: string;
  readonly x: RunTensor;
  readonly target: RunTensor;
  readonly loss: Loss;
}

const picture = { side: 16, classes: 3, filters: [4, 6, 8], units: 10, dropouts: [0, 0] } as const;
const problems = {
  pictureClassifier: {
    network: pictureClassifier(picture),
    input: 'image',
    x: image,
    target: labels,
    loss: crossEntropy(),
  },
  pictureEmbedding: {
    network: pictureEmbedding({ ...picture, width: 5 }),
    input: 'image',
    x: image,
    target: labels,
    loss: angularMargin(),
  },
  denseAutoencoder: {
    network: denseAutoencoder({ inputs: 12, units: [8, 4] }),
    input: 'x',
    x: wave([12]),
    target: wave([12]),
    loss: meanSquaredError,
  },
  convolutionalAutoencoder: {
    network: convolutionalAutoencoder({ length: 64, filters: [4, 6], kernels: [7, 5] }),
    input: 'x',
    x: wave([1, 64]),
    target: wave([1, 64]),
    loss: meanSquaredError,
  },
  depthwiseClassifier: {
    network: depthwiseClassifier({
      size: [16, 16],
      classes: 3,
      stem: 4,
      blocks: [
        [6, 1],
        [8, 2],
      ],
    }),
    input: 'image',
    x: image,
    target: labels,
    loss: crossEntropy(),
  },
  maskNetwork: {
    network: maskNetwork({ size: [16, 16], filters: [4, 6] }),
    input: 'image',
    x: image,
    target: masks,
    loss: dice(),
  },
} as const satisfies Record<string, Problem>;

/** The network with weights that follow the fixture's formula. */
function seeded(network: Network): Network {
  const weights = network.parameters.map((name, k) => {
    const dims = network.graph.initializers.get(name)?.dims ?? [];
    const bound = dims.length > 1 ? 1 / Math.sqrt(product(dims.slice(1))) : 0.1;
    const value = (i: number) => (name.endsWith('.scale') ? 1 : bound * Math.sin(12.9898 * (i + 1) + 78.233 * (k + 1)));
    return [
      name,
      tensorOf(
        'float32',
        dims,
        Float32Array.from({ length: product(dims) }, (_, i) => value(i)),
      ),
    ] as const;
  });
  return { ...network, graph: withInitializers(network.graph, new Map(weights)) };
}

describe('ready networks', () => {
  test.each(fixture.runs.map((run) => [run.name, run] as const))(
    '%s: 200 steps of loss as PyTorch',
    async (name, run) => {
      const { network, input, x, target, loss }: Problem = problems[name];
      expect(network.parameters).toEqual(run.parameters);
      const column = ({ dtype, dims }: RunTensor) => ({ dtype, dims: dims.slice(1) });
      const reader = rowReader({ [input]: column(x), target: column(target) });
      const plan = { network: seeded(network), reader, loss, optimiser: adam(), batch };
      await using runtime = await TrainingRuntime.open({ plan, data: { [input]: x, target }, seed: 0 });
      const index = Int32Array.from(
        { length: steps * batch },
        (_, k) => (Math.floor(k / batch) * 5 + (k % batch) * 7) % rows,
      );
      const got = await runtime.train(index, new Float32Array(steps).fill(run.rate));
      const errors = run.losses.map((want, i) => Math.abs(want - (got[i] as number)) / want);
      expect(Math.max(...errors)).toBeLessThan(1e-3);
      for (const [buffer, want] of Object.entries(run.statistics)) {
        const have = runtime.state.get(buffer)?.data as Float32Array;
        const scale = Math.max(1, ...want.map(Math.abs));
        expect(Math.max(...want.map((value, i) => Math.abs(value - (have[i] as number)))) / scale).toBeLessThan(1e-3);
      }
    },
  );
});
