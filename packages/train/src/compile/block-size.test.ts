// Training in the runtime's own layout gives the curve that the standard operators give, and the standard step stays standard.
import type { Graph, RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { TrainingRuntime } from '../fit/runtime.ts';
import { crossEntropy } from '../losses/classification.ts';
import type { Network } from '../network.ts';
import { denseAutoencoder, convolutionalAutoencoder } from '../networks/autoencoders.ts';
import { depthwiseClassifier } from '../networks/depthwise.ts';
import { pictureClassifier } from '../networks/picture.ts';
import { sgd } from '../optimisers/optimisers.ts';
import { blockSize, blockSizeFor } from './block-size.ts';
import { rowReader } from './reader.ts';

const [rows, batch, steps] = [32, 16, 20];
const image: RunTensor = {
  dtype: 'float32',
  dims: [rows, 3, 16, 16],
  data: Float32Array.from({ length: rows * 3 * 256 }, (_, i) => Math.sin(0.7391 * i + 0.11 * ((i * i) % 97))),
};
const target: RunTensor = {
  dtype: 'int64',
  dims: [rows],
  data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 3)),
};

/** Operators' domains, in bodies too. */
function domainsOf(graph: Graph): Set<string> {
  const inner = graph.nodes.flatMap((node) =>
    Object.values(node.attributes).flatMap((attribute) =>
      attribute.type === 'graph' ? [...domainsOf(attribute.value)] : [],
    ),
  );
  return new Set([...graph.nodes.map(({ domain }) => domain), ...inner]);
}

async function curve(network: Network, block: number): Promise<{ losses: Float32Array; domains: Set<string> }> {
  const column = ({ dtype, dims }: RunTensor) => ({ dtype, dims: dims.slice(1) });
  const reader = rowReader({ image: column(image), target: column(target) });
  const plan = { network, reader, loss: crossEntropy(), optimiser: sgd({ momentum: 0.9 }), batch };
  await using runtime = await TrainingRuntime.open({ plan, data: { image, target }, seed: 0, block });
  const index = Int32Array.from({ length: steps * batch }, (_, k) => (k % batch) * 2);
  const losses = await runtime.train(index, new Float32Array(steps).fill(1e-2));
  return { losses, domains: domainsOf(runtime.step.model.graph) };
}

const blocks: [number, number][] = [
  [32, 1],
  [64, 2],
];
const networks = {
  depthwise: depthwiseClassifier({ size: [16, 16], classes: 3, stem: 16, blocks }),
  picture: pictureClassifier({ side: 16, classes: 3, filters: [64, 64, 128], units: 16, dropouts: [0, 0] }),
};

describe("the runtime's own layout", () => {
  test.each(Object.entries(networks))('%s: the loss curve of the standard operators', async (_, network) => {
    const block = await blockSize();
    if (block === 0) {
      console.log('skipped: this runtime has no layout of its own for convolutions');
      return;
    }
    const [standard, blocked] = [await curve(network, 0), await curve(network, block)];
    expect(standard.domains).toEqual(new Set(['']));
    expect(blocked.domains.size).toBe(2);
    expect(standard.losses.at(-1)).toBeLessThan(standard.losses[0] as number);
    standard.losses.forEach((want, i) =>
      expect(Math.abs(want - (blocked.losses[i] as number)) / want).toBeLessThan(1e-3),
    );
  });

  test('is looked for only where a network has convolutions of two dimensions', async () => {
    expect(await blockSizeFor(denseAutoencoder({ inputs: 8 }).graph)).toBe(0);
    expect(await blockSizeFor(convolutionalAutoencoder({ length: 64 }).graph)).toBe(0);
    expect(await blockSizeFor(networks.depthwise.graph)).toBe(await blockSize());
    expect([0, 4, 8, 16, 32]).toContain(await blockSize());
  });
});
