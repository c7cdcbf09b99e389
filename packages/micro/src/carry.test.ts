// Recurrent layers as exporters write them, sizes open and initial states computed from them: carried from call to call, in float and int8.
import { createRandom } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Model, type Value } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler, quantiseForDevice, withSizes, type Elements } from './index.ts';
import { weightsFor } from './small-networks.ts';
import { randomFloats, referenceOutputs, worstDifference } from './testing.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn('packages/micro: no gcc on PATH, so no carried state is run here');

const [inputs, hidden, length] = [3, 4, 6];

/** How an initial state [1, batch, hidden] is made, given the input [time, batch, 3]. */
type Start = (b: GraphBuilder, x: Value) => Value;

/** [1, batch, hidden] as PyTorch computes it. */
const stateShape: Start = (b, x) =>
  b.op('Concat', [b.int64([1]), b.op('Gather', [b.op('Shape', [x]), b.int64([1])]), b.int64([hidden])], { axis: 0 });

const starts: Readonly<Record<'zeros' | 'learned' | 'of the input', Start>> = {
  zeros: (b, x) => b.op('Expand', [b.constant(tensorOf('float32', [1, 1, 1], [0])), stateShape(b, x)]),
  learned: (b, x) =>
    b.op('Expand', [b.constant(tensorOf('float32', [1, 1, hidden], [0.5, -0.25, 0.75, -1])), stateShape(b, x)]),
  'of the input': (b, x) => {
    const mean = b.op('ReduceMean', [x, b.int64([0, 2])], { keepdims: 1 });
    return b.op('Expand', [mean, stateShape(b, x)]);
  },
};

function recurrent(kind: 'GRU' | 'LSTM' | 'RNN', start: Start): Model {
  const b = new GraphBuilder('recurrent');
  const rows = { GRU: 3, LSTM: 4, RNN: 1 }[kind] * hidden;
  const w = weightsFor(b, 5, () => 0.5);
  const x = b.input('x', 'float32', ['time', 'batch', inputs]);
  const given = [x, w(1, rows, inputs), w(1, rows, hidden), w(1, 2 * rows), undefined, start(b, x)];
  const all = kind === 'LSTM' ? [...given, start(b, x)] : given;
  const [y] = b.ops(kind, all, { hidden_size: hidden }, { count: 1, name: 'memory' });
  // A name that the generator would like to use itself.
  b.output('carried_0_5', b.op('Identity', [y!]));
  return b.model();
}

const calls = Array.from({ length }, (_, i) => ({ x: randomFloats(createRandom(i, 'step'), inputs) }));
const whole = { x: Float32Array.from(calls.flatMap(({ x }) => [...x])) };
const joined = (outputs: readonly Elements[]): Elements => ({
  carried_0_5: Float32Array.from(outputs.flatMap((out) => [...(out['carried_0_5'] as Float32Array)])),
});

describe.skipIf(!compiler)('carried states', () => {
  test.each([
    ['GRU', 'zeros'],
    ['GRU', 'learned'],
    ['LSTM', 'zeros'],
    ['LSTM', 'learned'],
    ['RNN', 'learned'],
  ] as const)('a %s whose initial state is %s gives step by step what it gives at once', async (kind, start) => {
    const model = recurrent(kind, starts[start]);
    const [wanted] = await referenceOutputs(await withSizes(model, { sizes: { time: length, batch: 1 } }), [whole]);
    const generated = await generateC(model, { name: 'step', carry: true, sizes: { time: 1, batch: 1 } });
    await using host = await compileForHost(generated, { sanitize: true });
    const got = await host.run(calls);
    expect(worstDifference(joined(got), wanted!)).toBeLessThan(1e-6);
    expect(await host.run(calls)).toEqual(got); // a fresh run starts from the reset state
  });

  test.each(['GRU', 'LSTM'] as const)('a %s with open sizes and a learned state is quantised', async (kind) => {
    const sizes = { time: length, batch: 1 };
    const model = recurrent(kind, starts.learned);
    const sized = await withSizes(model, { sizes });
    const samples = [1, 2, 3, 4].map((seed) => ({
      x: {
        dtype: 'float32' as const,
        dims: [length, 1, inputs],
        data: randomFloats(createRandom(seed, 'sample'), length * inputs),
      },
    }));
    const { model: integer } = await quantiseForDevice(sized, samples, { budget: 1 });
    const [exact] = await referenceOutputs(sized, [whole]);
    const generated = await generateC(integer, { name: 'whole' });
    expect(generated.report.layers.map(({ operator }) => operator)).toContain(`Int8${kind}`);
    await using host = await compileForHost(generated, { sanitize: true });
    expect(worstDifference((await host.run([whole]))[0]!, exact!)).toBeLessThan(0.05);
  });
});

test('an initial state that depends on what is fed cannot be carried', async () => {
  const model = recurrent('GRU', starts['of the input']);
  await expect(generateC(model, { carry: true, sizes: { time: 1, batch: 1 } })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    where: 'memory',
  });
  await expect(generateC(model, { carry: ['other'], sizes: { time: 1, batch: 1 } })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});
