// The ready networks against PyTorch in float64 (fixtures/networks.py): the same weights, data and batches give the same loss curve, as they are and
// as smooth twins (tanh for ReLU, mean for max-pool), whose slopes do not jump.
import { readFileSync } from 'node:fs';
import { tensorOf, type RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { product } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { crossEntropy } from '../losses/classification.ts';
import { detectionLoss } from '../losses/detection.ts';
import type { Loss } from '../losses/loss.ts';
import { angularMargin } from '../losses/margin.ts';
import { dice } from '../losses/overlap.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { withInitializers, type Network } from '../network.ts';
import { adam } from '../optimisers/optimisers.ts';
import { convolutionalAutoencoder, denseAutoencoder } from './autoencoders.ts';
import { depthwiseClassifier } from './depthwise.ts';
import { detectorNetwork } from './detector.ts';
import { pictureClassifier, pictureEmbedding } from './picture.ts';
import { maskNetwork } from './mask.ts';

interface Run {
  readonly name: keyof typeof problems;
  readonly smooth: boolean;
  readonly rate: number;
  readonly parameters: readonly string[];
  readonly losses: readonly number[];
  /** Largest relative error of PyTorch's own float32 training, each batch in eight orders. */
  readonly float32: { readonly losses: number; readonly statistics: number };
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

/** Each anchor's class + 1 or 0, and four offsets. */
const anchors = 3 * (4 * 4 + 2 * 2);
const offsets = wave([anchors, 4]);
const objects: RunTensor = {
  dtype: 'float32',
  dims: [rows, anchors, 5],
  data: Float32Array.from({ length: rows * anchors * 5 }, (_, i) => {
    const [row, anchor, k] = [Math.floor(i / (anchors * 5)), Math.floor(i / 5) % anchors, i % 5];
    const mark = (row * 7 + anchor * 5) % 11;
    return k === 0 ? (mark < 2 ? mark + 1 : 0) : Number(offsets.data[(row * anchors + anchor) * 4 + k - 1]);
  }),
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
  detectorNetwork: {
    network: detectorNetwork({ size: [32, 32], classes: 2, filters: [16, 24] }),
    input: 'image',
    x: wave([3, 32, 32]),
    target: objects,
    loss: detectionLoss({ classes: 2 }),
  },
  /** With all filters, so that convolutions go through blocks. */
  wholePictureClassifier: {
    network: pictureClassifier({ side: 16, classes: 3, dropouts: [0, 0] }),
    input: 'image',
    x: image,
    target: labels,
    loss: crossEntropy(),
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

/** The same network with tanh for ReLU and mean pools for max-pools. */
function smoothed(network: Network): Network {
  const twins: Readonly<Record<string, string>> = { Relu: 'Tanh', MaxPool: 'AveragePool' };
  const nodes = network.graph.nodes.map((node) => ({ ...node, opType: twins[node.opType] ?? node.opType }));
  return { ...network, graph: { ...network.graph, nodes } };
}

/** Trains as the fixture did; the largest relative errors of the losses and of the running statistics. */
async function errorsOf(run: Run): Promise<{ losses: number; statistics: number }> {
  const { network, input, x, target, loss }: Problem = problems[run.name];
  expect(network.parameters).toEqual(run.parameters);
  const column = ({ dtype, dims }: RunTensor) => ({ dtype, dims: dims.slice(1) });
  const reader = rowReader({ [input]: column(x), target: column(target) });
  const chosen = seeded(run.smooth ? smoothed(network) : network);
  const plan = { network: chosen, reader, loss, optimiser: adam(), batch };
  await using runtime = await TrainingRuntime.open({ plan, data: { [input]: x, target }, seed: 0 });
  const index = Int32Array.from(
    { length: steps * batch },
    (_, k) => (Math.floor(k / batch) * 5 + (k % batch) * 7) % rows,
  );
  const got = await runtime.train(index, new Float32Array(steps).fill(run.rate));
  const statistics = Object.entries(run.statistics).map(([buffer, want]) => {
    const have = runtime.state.get(buffer)?.data as Float32Array;
    const far = want.map((value, i) => Math.abs(value - (have[i] as number)));
    return Math.max(...far) / Math.max(1, ...want.map(Math.abs));
  });
  return {
    losses: Math.max(...run.losses.map((want, i) => Math.abs(want - (got[i] as number)) / want)),
    statistics: Math.max(0, ...statistics),
  };
}

const nameOf = ({ name, smooth, rate }: Run): string =>
  [name, ...(smooth ? ['smooth'] : []), `rate ${rate}`].join(', ');

describe('ready networks', () => {
  test('every one is compared, as it is and as its smooth twin', () => {
    for (const smooth of [false, true]) {
      const runs = fixture.runs.filter((run) => run.smooth === smooth);
      expect(runs.map(({ name }) => name)).toEqual(Object.keys(problems));
    }
  });

  test.each(fixture.runs.map((run) => [nameOf(run), run] as const))(
    '%s: 200 steps of loss as PyTorch',
    async (_, run) => {
      const errors = await errorsOf(run);
      // Other processors sum in other orders: no nearer than PyTorch stays to itself when a batch comes in another order.
      expect(errors.losses).toBeLessThan(Math.max(1e-3, 3 * run.float32.losses));
      // A choice that rounding tipped moves the means: as far as it moves them in PyTorch when a batch comes in another order.
      expect(errors.statistics).toBeLessThan(Math.max(1e-3, 2 * run.float32.statistics));
      if (!run.smooth) return;
      // Without jumps there is rounding alone.
      expect(errors.losses).toBeLessThan(Math.max(1e-5, 5 * run.float32.losses));
      expect(errors.statistics).toBeLessThan(1e-5);
    },
  );
});
