// Networks as PyTorch exports them: what inference says of every value is held against what ONNX Runtime computes, and the passes against the original.
import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import {
  checkModel,
  compose,
  decodeModel,
  foldBatchNorm,
  foldConstants,
  inferModel,
  openSession,
  pruneDead,
  removeNoOps,
  type Fact,
  type Model,
  type RunTensor,
} from './index.ts';

const names = ['mobile', 'residual', 'unet', 'transformer', 'recurrent', 'dynamo'];
const sizes: Readonly<Record<string, number>> = { n: 3, t: 6 };
const load = (name: string): Model =>
  decodeModel(readFileSync(new URL(`./fixtures/torch-${name}.onnx`, import.meta.url)));

function feedOf({ graph }: Model): Record<string, RunTensor> {
  const random = createRandom(3, 'torch');
  const { dtype, shape } = graph.inputs[0]!;
  const dims = shape!.map((dim) => (typeof dim === 'string' ? sizes[dim]! : dim!));
  const count = dims.reduce((a, b) => a * b, 1);
  const data =
    dtype === 'int64'
      ? BigInt64Array.from({ length: count }, () => BigInt(random.int(0, 19)))
      : Float32Array.from({ length: count }, () => random.uniform(-1, 1));
  return { x: { dtype, dims, data } };
}

/** The model with every value of known type as an output, and nothing declared. */
function laidOpen(model: Model, facts: ReadonlyMap<string, Fact>): Model {
  const made = new Set(model.graph.nodes.flatMap((node) => node.outputs));
  const outputs = [...made]
    .filter((name) => name !== '')
    .map((name) => ({ name, dtype: facts.get(name)!.dtype, shape: undefined }));
  return { ...model, graph: { ...model.graph, outputs, valueInfo: new Map() } };
}

/** `4*n` with the sizes put in. */
const valueOf = (dim: number | string | undefined): number =>
  String(dim)
    .split('*')
    .reduce((product, part) => product * (sizes[part] ?? Number(part)), 1);

describe.each(names)('%s', (name) => {
  const model = load(name);
  const open = {
    ...model,
    graph: {
      ...model.graph,
      valueInfo: new Map(),
      outputs: model.graph.outputs.map((info) => ({ ...info, shape: undefined })),
    },
  };

  test('every value is inferred completely, and is what the runtime makes', async () => {
    expect(checkModel(model)).toEqual([]);
    const facts = inferModel(open);
    await using session = await openSession(laidOpen(model, facts), { optimisation: 'disabled' });
    const results = await session.run(feedOf(model));
    const inferred = Object.keys(results).map((key) => [
      key,
      facts.get(key)!.dtype,
      facts.get(key)!.shape?.map(valueOf),
    ]);
    expect(inferred).toEqual(Object.entries(results).map(([key, { dtype, dims }]) => [key, dtype, dims]));
  });

  test('the passes make it no larger and change no result', async () => {
    const small = await compose(removeNoOps, foldConstants(), foldBatchNorm, pruneDead)(model);
    expect(checkModel(small)).toEqual([]);
    expect(small.graph.nodes.length).toBeLessThanOrEqual(model.graph.nodes.length);
    expect(small.graph.nodes.map(({ opType }) => opType)).not.toContain('BatchNormalization');
    await using before = await openSession(model);
    await using after = await openSession(small);
    const [a, b] = [await before.run(feedOf(model)), await after.run(feedOf(model))];
    const other = b['y']!.data as Float32Array;
    for (const [i, value] of (a['y']!.data as Float32Array).entries())
      expect(Math.abs(other[i]! - value)).toBeLessThan(1e-6);
  });
});
