// How long a training's states keep their memory: those that nobody asked for go at once, those that somebody holds stay as they are.
import type { RunTensor } from '@sanderling/onnx';
import { expect, test } from 'vitest';
import type { TrainingPlan } from '../compile/plan.ts';
import { adam, denseAutoencoder, meanSquaredError, rowReader, TrainingRuntime, type TrainingState } from '../index.ts';

const [inputs, batch, rows] = [512, 2, 8];
const x: RunTensor = {
  dtype: 'float32',
  dims: [rows, inputs],
  data: Float32Array.from({ length: rows * inputs }, (_, i) => Math.sin(i * 12.9898)),
};
const column = { dtype: 'float32' as const, dims: [inputs] };
const plan = {
  network: denseAutoencoder({ inputs }),
  reader: rowReader({ x: column, target: column }),
  loss: meanSquaredError,
  optimiser: adam(),
  batch,
};
const open = (threads = 1, of: TrainingPlan = plan): Promise<TrainingRuntime> =>
  TrainingRuntime.open({ plan: of, data: { x, target: x }, seed: 3, threads });

/** Trains two steps. */
const train = (runtime: TrainingRuntime): Promise<Float32Array> =>
  runtime.train(
    Int32Array.from({ length: 2 * batch }, (_, i) => (5 * i) % rows),
    Float32Array.of(0.01, 0.01),
  );

const bytesOf = (state: TrainingState): number =>
  Array.from(state.values(), ({ data }) => (data as Float32Array).byteLength).reduce((all, bytes) => all + bytes, 0);

/** The bytes of tensors now, one after the other. */
const copyOf = (tensors: ReadonlyMap<string, { data: RunTensor['data'] }>): Buffer =>
  Buffer.concat(
    Array.from(tensors.values(), ({ data }) => {
      const { buffer, byteOffset, byteLength } = data as Float32Array;
      return new Uint8Array(buffer, byteOffset, byteLength);
    }),
  );

test('forty runs hold one state, whether or not anything is collected meanwhile', async () => {
  await using runtime = await open();
  const before = process.memoryUsage().arrayBuffers;
  const held: number[] = [];
  for (let run = 0; run < 40; run += 1) {
    await train(runtime);
    held.push(process.memoryUsage().arrayBuffers - before);
  }
  const size = bytesOf(runtime.state);
  expect(size).toBeGreaterThan(3e6);
  expect(Math.max(...held) / size).toBeLessThan(0.5);
});

test('a state that was asked for, or its tensors, stay as they are while training goes on', async () => {
  await using runtime = await open();
  await train(runtime);
  const first = runtime.state;
  const bytes = copyOf(first);
  await train(runtime);
  const tensors = runtime.tensors();
  const bytesOfTensors = copyOf(tensors);
  for (let run = 0; run < 3; run += 1) await train(runtime);
  expect(copyOf(first).equals(bytes)).toBe(true);
  expect(copyOf(tensors).equals(bytesOfTensors)).toBe(true);
  const end = copyOf(runtime.state);
  expect(end.equals(bytes)).toBe(false);
  runtime.restore(first);
  for (let run = 0; run < 4; run += 1) await train(runtime);
  expect(copyOf(runtime.state).equals(end)).toBe(true);
  expect(copyOf(first).equals(bytes)).toBe(true);
});

test('an evaluation that is asked for while steps run reads a state that is still there', async () => {
  await using runtime = await open();
  await train(runtime);
  const index = Int32Array.from({ length: rows }, (_, i) => i);
  const now = await runtime.evaluate(index);
  const [, together] = await Promise.all([train(runtime), runtime.evaluate(index)]);
  expect(together).toBe(now);
  expect(await runtime.evaluate(index)).not.toBe(now);
});

test('no steps at all leave the state whole where threads share each batch', async () => {
  await using runtime = await open(2, { ...plan, network: denseAutoencoder({ inputs, units: [64, 16] }) });
  expect(runtime.lanes).toBe(2);
  await train(runtime);
  const before = await runtime.evaluate(Int32Array.of(0, 1));
  expect(await runtime.train(new Int32Array(), new Float32Array())).toHaveLength(0);
  expect(await runtime.evaluate(Int32Array.of(0, 1))).toBe(before);
  await train(runtime);
  expect(await runtime.evaluate(Int32Array.of(0, 1))).not.toBe(before);
});
