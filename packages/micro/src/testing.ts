// For tests and benchmarks: random inputs, and ONNX Runtime's answer to hold generated code against.
import { createRandom } from '@sanderling/kit';
import { openSession, type Model, type RunTensor, type TensorArray } from '@sanderling/onnx';
import type { Elements } from './options.ts';
import { randomFloats } from './random-models.ts';

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Inputs for a model with known shapes. */
export function randomInputs(model: Model, seed: number): Elements {
  const random = createRandom(seed, 'micro-inputs');
  return Object.fromEntries(
    model.graph.inputs.map(({ name, shape }) => [
      name,
      randomFloats(random, product(shape!.map((dim) => (typeof dim === 'number' ? dim : 1)))),
    ]),
  );
}

/** What ONNX Runtime computes for each call; open dimensions are 1. */
export async function referenceOutputs(model: Model, calls: readonly Elements[]): Promise<readonly Elements[]> {
  await using session = await openSession(model);
  const results: Elements[] = [];
  for (const call of calls) {
    const feeds = Object.fromEntries(
      model.graph.inputs.map(({ name, dtype, shape }): [string, RunTensor] => [
        name,
        { dtype, dims: shape!.map((dim) => (typeof dim === 'number' ? dim : 1)), data: call[name]! },
      ]),
    );
    const out = await session.run(feeds);
    results.push(Object.fromEntries(Object.entries(out).map(([name, { data }]) => [name, data as TensorArray])));
  }
  return results;
}

/** The largest |got − wanted| / (1 + |wanted|) over all outputs; infinite where only one of them is a number or a length differs. */
export function worstDifference(got: Elements, wanted: Elements): number {
  let worst = 0;
  for (const [name, want] of Object.entries(wanted)) {
    const have = got[name];
    if (have?.length !== want.length) return Infinity;
    for (let i = 0; i < want.length; i += 1) {
      const [a, b] = [Number(have[i]), Number(want[i])];
      if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
      const difference = Math.abs(a - b) / (1 + Math.abs(b));
      worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
    }
  }
  return worst;
}

export { randomFloats, randomModel } from './random-models.ts';
export { damagedModel, damagedQuantisedModel } from './damage.ts';
export { inputsFor as networkInputs, networks, quantisedNetwork } from './quantised/networks.ts';
export { distance, plainReference, randomQuantisedModel, type Distance } from './quantised/random-models.ts';
export { boardImage, type BoardModel } from './device/board-image.ts';
export { CutBench, type CutOutcome, type CutWork } from './device/cut-trial.ts';
export { cutWorks } from './device/cut-works.ts';
export type { PowerCut } from './device/power-cut.ts';
export { faultTrial, type FaultTrial } from './device/fault-trial.ts';
export { faultNames, faultOptions, faultyStream, type FaultOptions } from './device/faulty-stream.ts';
export { hostImage, hostRelease, type HostModel } from './device/host-image.ts';
export { TestHub, type TestHubOptions } from './device/test-hub.ts';
export { curveOperators, curvesModel, sweepProgram, sweepsFrom, type Sweep } from './emit/curves/sweep.ts';
