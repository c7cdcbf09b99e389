// Every loss and its gradient against PyTorch in float64 (fixtures/make.py).
import { readFileSync } from 'node:fs';
import { GraphBuilder, modelOf, openSession, tensorOf, typedData } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { batchLossOf } from '../compile/batch-loss.ts';
import { Tape } from '../gradients/tape.ts';
import { binaryCrossEntropy, crossEntropy, distillation, focal } from './classification.ts';
import { detectionLoss } from './detection.ts';
import type { Loss } from './loss.ts';
import { angularMargin, tripletLoss } from './margin.ts';
import { dice, distanceIou, generalisedIou, jaccard } from './overlap.ts';
import { huber, logCosh, meanAbsoluteError, meanSquaredError, quantile, smoothL1 } from './regression.ts';

const made = {
  angularMargin,
  binaryCrossEntropy,
  crossEntropy,
  detectionLoss,
  dice,
  distanceIou: () => distanceIou,
  distillation,
  focal,
  generalisedIou: () => generalisedIou,
  huber,
  jaccard,
  logCosh: () => logCosh,
  meanAbsoluteError: () => meanAbsoluteError,
  meanSquaredError: () => meanSquaredError,
  quantile,
  smoothL1,
  tripletLoss,
} as unknown as Record<string, (...options: unknown[]) => Loss>;

interface Case {
  readonly name: string;
  readonly options: readonly unknown[];
  readonly prediction: { readonly dims: readonly number[]; readonly data: readonly number[] };
  readonly target: {
    readonly dtype: 'float32' | 'int64';
    readonly dims: readonly number[];
    readonly data: readonly number[];
  };
  readonly loss: number;
  readonly gradient: readonly number[];
}

const cases = JSON.parse(readFileSync(new URL('fixtures/losses.json', import.meta.url), 'utf8')) as Case[];

async function lossAndGradient(loss: Loss, { prediction, target }: Case, weights?: readonly number[]) {
  const b = new GraphBuilder('test');
  const tape = new Tape(b);
  const p = b.input('prediction', 'float32', prediction.dims);
  const t = b.input('target', target.dtype, target.dims);
  const w = weights && b.constant(tensorOf('float32', [weights.length], weights));
  tape.watch([p]);
  const { loss: value } = batchLossOf(tape, { loss, prediction: p, target: t, weights: w });
  const [gradient] = tape.gradients(value, [p]);
  b.output('loss', value);
  b.output('gradient', gradient ?? p);
  await using session = await openSession(modelOf(b.build()));
  const feed = (dtype: 'float32' | 'int64', { dims, data }: { dims: readonly number[]; data: readonly number[] }) => ({
    dtype,
    dims,
    data: typedData(tensorOf(dtype, dims, data)),
  });
  const out = await session.run({ prediction: feed('float32', prediction), target: feed(target.dtype, target) });
  return { loss: Number(out['loss']?.data[0]), gradient: Array.from(out['gradient']?.data as Float32Array) };
}

describe('losses', () => {
  test.each(
    cases.map((one) => [`${one.name} ${JSON.stringify(one.options)} of [${one.prediction.dims.join()}]`, one] as const),
  )('%s equals PyTorch', async (_, one) => {
    const got = await lossAndGradient(made[one.name]?.(...one.options) as Loss, one);
    expect(Math.abs(got.loss - one.loss) / one.loss).toBeLessThan(2e-6);
    const scale = Math.max(...one.gradient.map(Math.abs));
    const worst = Math.max(...one.gradient.map((g, i) => Math.abs(g - (got.gradient[i] as number))));
    expect(worst / scale).toBeLessThan(1e-5);
  });

  test('every loss has a case', () => {
    expect(Object.keys(made).filter((name) => !cases.some((one) => one.name === name))).toEqual([]);
  });

  test('a sample of weight zero does not count', async () => {
    const one = cases.find(({ name }) => name === 'crossEntropy') as Case;
    const [rows, classes] = one.prediction.dims as [number, number];
    const fewer: Case = {
      ...one,
      prediction: { dims: [rows - 1, classes], data: one.prediction.data.slice(classes) },
      target: { ...one.target, dims: [rows - 1], data: one.target.data.slice(1) },
    };
    const weighted = await lossAndGradient(crossEntropy(), one, [0, 2, 2, 2, 2]);
    const without = await lossAndGradient(crossEntropy(), fewer);
    expect(weighted.loss).toBeCloseTo(without.loss, 6);
    expect(weighted.gradient.slice(0, classes).map(Math.abs)).toEqual(Array.from({ length: classes }, () => 0));
  });
});
