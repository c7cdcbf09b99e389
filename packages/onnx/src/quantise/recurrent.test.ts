// GRU and LSTM between quantised values: the form that integer kernels recognise, run by ONNX Runtime.
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import {
  calibrate,
  checkModel,
  GraphBuilder,
  openSession,
  quantise,
  tensorOf,
  toNumbers,
  type Feeds,
  type Model,
} from '../index.ts';

const [steps, inputs, hidden] = [12, 3, 5];

/** `shown`: which outputs of the recurrent node the graph gives, in order. */
function recurrent(kind: 'GRU' | 'LSTM', shown: readonly number[], direction = 'forward'): Model {
  const b = new GraphBuilder('recurrent');
  const random = createRandom(3, 'recurrent');
  const directions = direction === 'bidirectional' ? 2 : 1;
  const gates = kind === 'GRU' ? 3 : 4;
  const weight = (dims: number[]) => {
    const count = dims.reduce((x, y) => x * y, 1);
    return b.constant(
      tensorOf(
        'float32',
        dims,
        Float32Array.from({ length: count }, () => random.normal() * 0.6),
      ),
    );
  };
  const outputs = b.ops(
    kind,
    [
      b.input('x', 'float32', [steps, 1, inputs]),
      weight([directions, gates * hidden, inputs]),
      weight([directions, gates * hidden, hidden]),
      weight([directions, 2 * gates * hidden]),
    ],
    { hidden_size: hidden, direction },
    { count: kind === 'GRU' ? 2 : 3, name: 'memory' },
  );
  for (const at of shown) b.output(`y${at}`, outputs[at]!);
  return b.model();
}

const samples = Array.from({ length: 12 }, (_, seed): Feeds => {
  const random = createRandom(seed, 'sequence');
  return {
    x: {
      dtype: 'float32',
      dims: [steps, 1, inputs],
      data: Float32Array.from({ length: steps * inputs }, () => random.normal()),
    },
  };
});

const micro = { kernels: 'micro' } as const;
const constant = (model: Model, name: string): number[] => toNumbers(model.graph.initializers.get(name)!);

describe.each(['GRU', 'LSTM'] as const)('%s', (kind) => {
  test.each(['forward', 'bidirectional'])(
    '%s: stays close, with a scale for each row of W and R',
    async (direction) => {
      const float = recurrent(kind, [0, 1], direction);
      const integer = quantise(float, await calibrate(float, samples, micro), micro);
      expect(checkModel(integer)).toEqual([]);
      const node = integer.graph.nodes.find(({ opType }) => opType === kind)!;
      const makers = node.inputs.slice(0, 3).map((name) => integer.graph.nodes.find((one) => one.outputs[0] === name)!);
      expect(makers.map(({ opType }) => opType)).toEqual(Array(3).fill('DequantizeLinear'));
      const rows = (kind === 'GRU' ? 3 : 4) * hidden;
      for (const maker of makers.slice(1)) {
        expect(maker.attributes['axis']).toEqual({ type: 'int', value: 1 });
        expect(integer.graph.initializers.get(maker.inputs[0]!)!.dtype).toBe('int8');
        expect(constant(integer, maker.inputs[1]!).length).toBe(rows);
      }
      await using before = await openSession(float);
      await using after = await openSession(integer);
      for (const feeds of samples) {
        const [exact, rough] = [await before.run(feeds), await after.run(feeds)];
        for (const [i, value] of (exact['y0']!.data as Float32Array).entries())
          expect(Math.abs(value - (rough['y0']!.data as Float32Array)[i]!)).toBeLessThan(0.05);
      }
    },
  );

  test('a node that gives its last state alone is scaled by the states of all steps', async () => {
    const [whole, last] = [recurrent(kind, [0, 1]), recurrent(kind, [1])];
    const [wide, narrow] = [await calibrate(whole, samples, micro), await calibrate(last, samples, micro)];
    const [a, b] = [quantise(whole, wide, micro), quantise(last, narrow, micro)];
    expect(constant(a, 'y0.scale')).toEqual(constant(a, 'y1.scale'));
    expect(constant(b, 'y1.scale')).toEqual(constant(a, 'y1.scale'));
    const ends = narrow.get('y1')!;
    expect(constant(b, 'y1.scale')[0]!).toBeGreaterThan(Math.fround((ends.max - ends.min) / 255));
  });

  test('stays in float for kernels of the runtime, when told to, and with weights that are computed', async () => {
    const float = recurrent(kind, [1]);
    const names = async (options: object): Promise<string[]> =>
      [...(await calibrate(float, samples, options)).keys()].toSorted();
    expect(await names({})).toEqual([]);
    expect(await names({ ...micro, skip: ['memory'] })).toEqual([]);
    const b = new GraphBuilder('computed');
    const w = b.op('Relu', [b.input('w', 'float32', [1, 3 * hidden, inputs])]);
    const r = b.constant(tensorOf('float32', [1, 3 * hidden, hidden], new Float32Array(3 * hidden * hidden)));
    const x = b.input('x', 'float32', [steps, 1, inputs]);
    b.output('y', b.ops('GRU', [x, w, r], { hidden_size: hidden }, 2)[0]!);
    const data = {
      dtype: 'float32' as const,
      dims: [1, 3 * hidden, inputs],
      data: new Float32Array(3 * hidden * inputs),
    };
    const found = await calibrate(b.model(), [{ ...samples[0]!, w: data }], micro);
    expect([...found.keys()].some((name) => name === 'x' || name === 'y')).toBe(false);
  });
});
