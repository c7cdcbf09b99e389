// How long one forecast takes in a process of its own with one thread.
import { Forecaster, type ModelInput } from './run-model.ts';

const warmUps = 30;
const measured = 200;

/** Median time of one forecast, milliseconds. */
export async function latency(input: ModelInput): Promise<{ medianMs: number; runs: number }> {
  await using forecaster = await Forecaster.open(input);
  const { window, features } = input.preprocessing;
  const inputs = new Float32Array(window * features.length);
  for (let i = 0; i < warmUps; i++) await forecaster.run(inputs, 1);
  const times: number[] = [];
  for (let i = 0; i < measured; i++) {
    const start = performance.now();
    await forecaster.run(inputs, 1);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { medianMs: times[measured >> 1]!, runs: measured };
}
