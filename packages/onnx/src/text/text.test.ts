import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  checkFile,
  diffFiles,
  diffModels,
  diffText,
  GraphBuilder,
  inspectFile,
  inspectModel,
  modelOf,
  printModel,
  tensorOf,
  writeModel,
  type Model,
} from '../index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-text-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** LeNet's first two layers: 5×5 convolution to 6 channels on 28×28, then 10 classes. */
function network(gain = 1): Model {
  const b = new GraphBuilder('net');
  const x = b.input('image', 'float32', ['batch', 1, 28, 28]);
  const w = b.initializer(
    'conv.weight',
    tensorOf(
      'float32',
      [6, 1, 5, 5],
      Array.from({ length: 150 }, (_, i) => gain * i),
    ),
  );
  const h = b.op('Relu', [b.op('Conv', [x, w], { pads: [2, 2, 2, 2] }, { name: 'conv' })], {}, { name: 'relu' });
  const flat = b.op('Flatten', [h], {}, { name: 'flat' });
  const dense = b.initializer('dense.weight', tensorOf('float32', [4704, 10], new Float32Array(47040)));
  b.output('scores', b.op('MatMul', [flat, dense], {}, { name: 'dense' }));
  return modelOf(b.build(), { metadata: new Map([['task', 'digits']]) });
}

describe('text', () => {
  test('a print names every value with its constants and attributes', () => {
    expect(printModel(network()).split('\n')).toEqual([
      'model ir 10, opset onnx 21',
      'producer "sanderling"',
      'metadata task = "digits"',
      'graph net(image: float32[batch, 1, 28, 28]) -> (scores: float32[batch, 10]) {',
      expect.stringMatching(/^ {2}conv\.weight = float32\[6, 1, 5, 5\] 0 … 149 sha256 [0-9a-f]{12}$/),
      expect.stringMatching(/^ {2}dense\.weight = float32\[4704, 10\] 0 … 0 sha256 [0-9a-f]{12}$/),
      '  conv = Conv(image, conv.weight) {pads=[2, 2, 2, 2]}',
      '  relu = Relu(conv)',
      '  flat = Flatten(relu)',
      '  scores = MatMul(flat, dense.weight) # dense',
      '}',
      '',
    ]);
  });

  test('an inspection counts parameters, work and memory as one does by hand', () => {
    const of = inspectModel(network(), { batch: 2 });
    expect(of.parameters).toBe(150 + 47040);
    // 28·28 positions × 6 channels × 25 weights, and 4704 × 10, for two images
    expect(of.work).toBe(2 * (28 * 28 * 6 * 25 + 4704 * 10));
    // the convolution's result and its ReLU's: 2 × 6 × 28 × 28 floats each
    expect(of.peakBytes).toBe(2 * 2 * 6 * 28 * 28 * 4);
    expect(inspectModel(network()).work).toBeUndefined();
  });

  test('equal models do not differ, a retrained one shows by how much', () => {
    expect(diffModels(network(), network())).toEqual([]);
    const changes = diffModels(network(), network(1.5));
    expect(changes.map(({ kind, name, largest }) => [kind, name, largest])).toEqual([['weight', 'conv.weight', 74.5]]);
    expect(diffText(changes)).toMatch(/^~ weight conv\.weight: .* \(largest difference 74\.5\)\n$/);
  });

  test('a changed node, a new one and metadata each show once', () => {
    const before = network();
    const nodes = before.graph.nodes.map((node) => (node.opType === 'Relu' ? { ...node, opType: 'Tanh' } : node));
    const extra = { ...nodes[1]!, name: 'more', outputs: ['more'] };
    const after = { ...before, metadata: new Map(), graph: { ...before.graph, nodes: [...nodes, extra] } };
    expect(diffText(diffModels(before, after)).split('\n')).toEqual([
      '- metadata task: digits',
      '~ node relu: Relu(conv) → Tanh(conv)',
      '+ node more: Tanh(conv)',
      '',
    ]);
  });

  test('the commands read files', async () => {
    const [a, b] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
    await writeModel(a, network());
    await writeModel(b, network(2));
    expect((await inspectFile(a, { sizes: { batch: 1 }, full: true })).text).toMatch(
      /parameters {2}47,190.*[\s\S]*relu = Relu\(conv\)/,
    );
    expect(await checkFile(a)).toMatchObject({ ok: true, text: 'no problem found\n' });
    expect((await diffFiles(a, b)).equal).toBe(false);
    expect(await diffFiles(a, a)).toMatchObject({ equal: true, text: 'no difference\n' });
    await expect(checkFile(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('integers of 64 bits are written out in full', () => {
    const b = new GraphBuilder('edges');
    b.output('y', b.initializer('w', tensorOf('int64', [2], [-(2n ** 63n), 2n ** 63n - 1n])));
    expect(printModel(b.model())).toContain('{-9223372036854775808, 9223372036854775807}');
  });

  test('a function of many nodes is printed', () => {
    const node = { name: '', opType: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attributes: {} };
    const many = {
      name: 'Many',
      domain: 'own',
      overload: '',
      inputs: ['x'],
      outputs: ['y'],
      attributes: [],
      defaults: {},
      opsets: new Map([['', 21]]),
      valueInfo: new Map(),
      nodes: Array.from({ length: 200_000 }, () => node),
    };
    expect(printModel({ ...network(), functions: [many] }).split('\n').length).toBeGreaterThan(200_000);
  });
});
