// Every kind of tuning on a small real task: is someone in the room? Learnt on six days, judged on three others, by the exported model.
// Always saying "no one" is right in 64 % of the minutes; the networks must be right in more than 93 %.
import { decodeModel, float32Data, type Tensor } from '@sanderling/onnx';
import { beforeAll, describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { fit } from '../fit/fit.ts';
import { kFold } from '../fit/folds.ts';
import { Layers } from '../layers/layers.ts';
import { binaryCrossEntropy, distillation } from '../losses/classification.ts';
import { withInitializers, type Network } from '../network.ts';
import { accuracyOf, answersOf, hasRoomData, measures, roomData, roomNetwork, roomTraining } from './fixtures/room.ts';
import { frozen, headInput, networkFromModel } from './import.ts';
import { calibrate, quantisationAware } from './quantisation.ts';

const good = 0.93;

describe.skipIf(!hasRoomData)('on real data', () => {
  let data: ReturnType<typeof roomData>;
  let network: Network;
  let tensors: ReadonlyMap<string, Tensor>;
  let accuracy: number;
  beforeAll(async () => {
    data = roomData();
    network = roomNetwork(32);
    ({ tensors } = await fit(roomTraining(network, data.learn)));
    accuracy = await accuracyOf(network, tensors, data.judge);
  });

  test('a plain training', () => {
    expect(accuracy).toBeGreaterThan(good);
  });

  test('k folds of whole days: each fold is judged by days that it did not learn from', async () => {
    const { days } = data.learn;
    const shares: number[] = [];
    for (const { train, validation } of kFold(days.length, { folds: 3, seed: 1, groups: days })) {
      const learnt = await fit({ ...roomTraining(network, data.learn), train, epochs: 4 });
      const rows = Array.from(validation);
      const room = {
        days: rows.map((row) => days[row] as string),
        x: {
          ...data.learn.x,
          dims: [rows.length, measures],
          data: Float32Array.from(
            rows.flatMap((row) => Array.from(data.learn.x.data.subarray(row * measures, (row + 1) * measures))),
          ),
        },
        target: {
          ...data.learn.target,
          dims: [rows.length],
          data: BigInt64Array.from(rows, (row) => data.learn.target.data[row] as bigint),
        },
      };
      const judged = new Set(room.days);
      expect(Array.from(train).some((row) => judged.has(days[row] as string))).toBe(false);
      shares.push(await accuracyOf(network, learnt.tensors, room));
    }
    expect(Math.min(...shares)).toBeGreaterThan(0.85);
  });

  test('a small student that sees only the large network’s answers comes near it', async () => {
    const student = roomNetwork(4, 1);
    const logits = await answersOf(network, tensors, data.learn.x);
    const answers = { dtype: 'float32' as const, dims: [data.learn.days.length, 2], data: logits };
    const training = roomTraining(student, data.learn);
    const learnt = await fit({
      ...training,
      plan: {
        ...training.plan,
        reader: rowReader({ x: { dtype: 'float32', dims: [measures] }, target: { dtype: 'float32', dims: [2] } }),
        loss: distillation(2),
      },
      data: { x: data.learn.x, target: answers },
      epochs: 20,
    });
    expect(await accuracyOf(student, new Map(), data.judge)).toBeLessThan(0.9);
    const share = await accuracyOf(student, learnt.tensors, data.judge);
    expect(share).toBeGreaterThan(good);
    expect(Math.abs(share - accuracy)).toBeLessThan(0.03);
  });

  test.each([
    ['weights', 0.85],
    ['filters', 0.5],
  ] as const)(
    'pruned %s, a share of %f: still as good, and truly zero in the exported model',
    async (structure, share) => {
      const masked = ['dense1.weight', 'dense2.weight'];
      const training = roomTraining(network, data.learn);
      const learnt = await fit({
        ...training,
        plan: { ...training.plan, network: { ...network, graph: withInitializers(network.graph, tensors) }, masked },
        epochs: 10,
        pruning: { share, epochs: 5, structure },
      });
      const exported = decodeModel(exportModel(network, learnt.tensors)).graph.initializers;
      const weights = masked.flatMap((name) => Array.from(float32Data(exported.get(name) as Tensor)));
      expect(weights.filter((weight) => weight === 0).length / weights.length).toBeCloseTo(share, 2);
      expect(await accuracyOf(network, learnt.tensors, data.judge)).toBeGreaterThan(Math.max(good, accuracy - 0.02));
    },
  );

  test('trained through its 8-bit rounding, the int8 model is as good', async () => {
    const float = { ...network, graph: withInitializers(network.graph, tensors) };
    const rounded = quantisationAware(float, await calibrate(float, [{ x: data.learn.x }]));
    const learnt = await fit({ ...roomTraining(rounded, data.learn), epochs: 3, learningRate: 3e-4 });
    const types = decodeModel(exportModel(rounded, learnt.tensors)).graph.nodes.map(({ opType }) => opType);
    expect(types).toContain('QuantizeLinear');
    const share = await accuracyOf(rounded, learnt.tensors, data.judge);
    expect(share).toBeGreaterThan(Math.max(good, accuracy - 0.02));
  });

  test('an imported ONNX model with a new head learns another question: is the light on?', async () => {
    const model = decodeModel(exportModel(network, tensors));
    const trunk = frozen(networkFromModel(model), () => true);
    const layers = new Layers('light', 2);
    const features = layers.append(trunk).get(headInput(trunk));
    if (features === undefined) throw new Error('the network has changed');
    const tuned = layers.network({ light: layers.dense(features, 1, 'light') });
    const lightOf = (x: Float32Array, rows: number) =>
      Float32Array.from({ length: rows }, (_, row) => ((x[row * measures + 2] as number) > 0 ? 1 : 0));
    const rows = data.learn.days.length;
    const training = roomTraining(tuned, data.learn);
    const learnt = await fit({
      ...training,
      plan: {
        ...training.plan,
        reader: rowReader({ x: { dtype: 'float32', dims: [measures] }, target: { dtype: 'float32', dims: [1] } }),
        loss: binaryCrossEntropy(),
      },
      data: {
        x: data.learn.x,
        target: { dtype: 'float32', dims: [rows, 1], data: lightOf(data.learn.x.data, rows) },
      },
    });
    expect([...learnt.tensors.keys()]).toEqual(['light.weight', 'light.bias']);
    const answers = await answersOf(tuned, learnt.tensors, data.judge.x);
    const want = lightOf(data.judge.x.data, data.judge.days.length);
    const right = want.filter((light, i) => (light === 1) === (answers[i] as number) > 0).length / want.length;
    expect(right).toBeGreaterThan(0.95);
  });
});
