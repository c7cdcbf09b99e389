// Quantised models with one node damaged: refused by a coded error, or clean under the sanitizers.
import { createRandom, SanderlingError } from '@sanderling/kit';
import { tensorOf, type Attribute, type Model, type Node } from '@sanderling/onnx';
import { expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler, type Generated } from '../index.ts';
import { randomQuantisedModel } from './random-models.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn('skipped: no gcc on PATH, so damaged int8 models are only generated');

const attributes = [
  'axis',
  'group',
  'pads',
  'strides',
  'dilations',
  'transB',
  'block_size',
  'perm',
  'direction',
  'hidden_size',
];

/** One node's inputs mixed up or exchanged, an attribute set to nonsense, or a scale or zero point made odd. */
function damaged(model: Model, seed: number): Model {
  const random = createRandom(seed, 'damage');
  const { graph } = model;
  const names = ['x', ...graph.initializers.keys()];
  const at = random.int(0, graph.nodes.length - 1);
  const how = random.int(0, 5);
  const nodes = graph.nodes.map((node, i): Node => {
    if (i !== at || how > 4) return node;
    if (how === 0) return { ...node, inputs: node.inputs.toReversed() };
    if (how === 1) return { ...node, inputs: node.inputs.slice(0, -1) };
    if (how <= 3)
      return { ...node, inputs: node.inputs.map((name) => (random.next() < 0.4 ? random.pick(names) : name)) };
    const list = Array.from({ length: random.int(0, 4) }, () => random.int(-2, 5));
    const value: Attribute =
      random.next() < 0.5 ? { type: 'int', value: random.int(-3, 6) } : { type: 'ints', value: list };
    return { ...node, attributes: { ...node.attributes, [random.pick(attributes)]: value } };
  });
  const initializers = new Map(graph.initializers);
  if (how === 5) {
    const name = random.pick([...initializers.keys()]);
    const { dtype, dims } = initializers.get(name)!;
    const scale = random.pick([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-38, 1e30]);
    const count = dims.reduce((product, dim) => product * dim, 1);
    if (dtype === 'float32')
      initializers.set(
        name,
        tensorOf(
          dtype,
          dims,
          Array.from({ length: count }, () => scale),
        ),
      );
    else
      initializers.set(
        name,
        tensorOf(
          dtype,
          [...dims, 1],
          Array.from({ length: count }, () => 1),
        ),
      );
  }
  return { ...model, graph: { ...graph, nodes, initializers, valueInfo: new Map() } };
}

test('damaged quantised models', async () => {
  const good: Generated[] = [];
  let refused = 0;
  for (let seed = 1; seed <= 72; seed += 1) {
    const { model } = await randomQuantisedModel(1 + (seed % 18));
    try {
      good.push(await generateC(damaged(model, seed), { name: `d${seed}`, maxBytes: 2 ** 20 }));
    } catch (error) {
      if (!(error instanceof SanderlingError) || error.code === 'INTERNAL') throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(12);
  if (!compiler) return;
  const some = good.filter((_, i) => i % 3 === 0);
  await using host = await compileForHost(some, { sanitize: true, optimise: '-O0' });
  for (const [i, { face }] of some.entries()) {
    const call = Object.fromEntries(face.inputs.map(({ name, count }) => [name, new Float32Array(count).fill(0.3)]));
    const floats = face.inputs.every(({ dtype }) => dtype === 'float32');
    if (floats) expect(await host.run([call], i)).toHaveLength(1);
  }
});
