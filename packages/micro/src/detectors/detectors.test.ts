import {
  createDetector,
  createVectorDetector,
  detectorNames,
  detectors,
  rowsFrom,
  type DetectorName,
} from '@sanderling/drift';
import { createRandom, type Random } from '@sanderling/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasCompiler } from '../host.ts';
import { generateDetectorC } from './generate-detector.ts';
import type { VectorRequest } from './requests.ts';
import { hostStreams, type Sayings, type StreamRunner } from './run-streams.ts';

/** Every detector as it comes, and with settings that take the other paths of its code. */
const variants: readonly { readonly detector: DetectorName; readonly options?: Readonly<Record<string, number>> }[] = [
  ...detectorNames.map((detector) => ({ detector })),
  { detector: 'adwin', options: { clock: 1, maxBuckets: 3, delta: 0.2, minWindow: 3, grace: 0 } },
  { detector: 'cusum', options: { mean: 0.2, deviation: 0.9, direction: 1, h: 12 } },
  { detector: 'cusum', options: { warmUp: 200, direction: -1 } },
  { detector: 'ddm', options: { warmUp: 5, warningLevel: 1, driftLevel: 1.5 } },
  { detector: 'eddm', options: { beta: 0.6, alpha: 0.7, minErrors: 100 } },
  { detector: 'hddm-a', options: { twoSided: 1, alphaDrift: 1e-5 } },
  { detector: 'hddm-w', options: { twoSided: 1, lambda: 0.01, alphaDrift: 1e-5 } },
  { detector: 'kswin', options: { windowSize: 140, statSize: 50, seed: 99, alpha: 0.0001 } },
  { detector: 'page-hinkley', options: { direction: 0, alpha: 0.99, lambda: 10, minSamples: 1 } },
  { detector: 'page-hinkley', options: { direction: -1 } },
  { detector: 'stepd', options: { direction: 0, window: 100, alphaDrift: 1e-6 } },
  { detector: 'stepd', options: { direction: -1 } },
];

const generated = variants.map(({ detector, options }, i) =>
  generateDetectorC({ detector, name: `d${i}_${detector.replace('-', '_')}`, ...(options ? { options } : {}) }),
);

type Input = 'real' | 'unit' | 'binary';

/** A sample around a level from 0 to 1. */
const draws: Readonly<Record<Input, (random: Random, level: number) => number>> = {
  real: (random, level) => 4 * level + random.normal(),
  unit: (random, level) => Math.min(1, Math.max(0, level + 0.1 * random.normal())),
  binary: (random, level) => Number(random.next() < level),
};

const length = 20_000;
const outside = [Number.NaN, Infinity, -Infinity, 1.0000001e100, -2e100, -0.1, 1.1, 0.5, 1e100, -0];

/** Streams that every detector must agree on, whatever it makes of them. */
const streams: Readonly<Record<string, (input: Input, random: Random) => Float64Array>> = {
  steady: (input, random) => Float64Array.from({ length }, () => draws[input](random, 0.2)),
  moving: (input, random) => {
    let level = 0.2;
    return Float64Array.from({ length }, () => {
      if (random.next() < 1 / 400) level = random.next();
      return draws[input](random, level);
    });
  },
  drifting: (input, random) => Float64Array.from({ length }, (_, i) => draws[input](random, 0.1 + (0.8 * i) / length)),
  constant: (input, random) => {
    let value = 0;
    return Float64Array.from({ length }, () => {
      if (random.next() < 1 / 1000) value = input === 'real' ? random.int(-3, 3) * 1e6 : random.int(0, 1);
      return value;
    });
  },
  hostile: (input, random) =>
    Float64Array.from({ length }, () => (random.next() < 0.01 ? random.pick(outside) : draws[input](random, 0.3))),
};

/** What packages/drift says. */
function expected({ detector, options }: (typeof variants)[number], samples: Float64Array): Sayings {
  const made = createDetector(detector, options);
  const flags = new Uint32Array(samples.length);
  const evidence = new Float64Array(samples.length);
  for (const [i, x] of samples.entries()) {
    let refused = 0;
    try {
      made.update(x);
    } catch {
      refused = 4;
    }
    flags[i] = Number(made.driftDetected) + 2 * Number(made.warningDetected) + refused;
    evidence[i] = made.evidence;
  }
  return { flags, evidence };
}

/** Where two lists first differ by more than a share; -1 if nowhere. */
function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>, share = 0): number {
  return Array.from(a).findIndex((x, i) => !(Math.abs(x - b[i]!) <= share * Math.abs(b[i]!)));
}

const compiler = await hasCompiler();
if (!compiler) console.log('skipped: detectors in C, there is no gcc here');

describe.runIf(compiler)('detectors in C on this machine', () => {
  let host: Awaited<ReturnType<typeof hostStreams>>;
  let run: StreamRunner;
  beforeAll(async () => {
    host = await hostStreams(generated);
    run = host.run;
  });
  afterAll(() => host[Symbol.asyncDispose]());

  for (const [i, variant] of variants.entries()) {
    const { input } = detectors[variant.detector];
    test(`${generated[i]!.face.prefix} decides as packages/drift on ${length} samples of every kind`, async () => {
      let alarms = 0;
      for (const [kind, make] of Object.entries(streams)) {
        for (const seed of kind === 'moving' ? [1, 2] : [1]) {
          const samples = make(input, createRandom(seed, kind));
          const [want, got] = [expected(variant, samples), await run(i, samples)];
          expect(firstDifference(got.flags, want.flags), `${kind} ${seed}`).toBe(-1);
          expect(firstDifference(got.evidence, want.evidence, 1e-12), `${kind} ${seed}`).toBe(-1);
          alarms += want.flags.filter((flags) => (flags & 1) === 1).length;
        }
      }
      // Streams on which nothing ever happens would prove nothing.
      expect(alarms).toBeGreaterThan(10);
    });
  }
});

/** Vectors around a centre, one feature the same in all of them. */
function vectors(random: Random, d: number, n: number, moved: (i: number) => number): readonly Float64Array[] {
  return Array.from({ length: n }, (_, i) => {
    const common = random.normal();
    return Float64Array.from({ length: d }, (_, j) => (j === 1 ? 3 : 10 * j + common * j + random.normal() + moved(i)));
  });
}

const vectorVariants: readonly { readonly d: number; readonly request: Omit<VectorRequest, 'reference'> }[] = [
  { d: 4, request: { detector: 'lsdd' } },
  { d: 4, request: { detector: 'mmd' } },
  { d: 4, request: { detector: 'spll' } },
  {
    d: 7,
    request: {
      detector: 'lsdd',
      options: { centres: 10, windowSize: 40, every: 3, referenceSize: 150, seed: 5, alpha: 0.02 },
    },
  },
  {
    d: 1,
    request: { detector: 'mmd', options: { features: 9, windowSize: 25, every: 7, referenceSize: 60, alpha: 0.7 } },
  },
  { d: 9, request: { detector: 'spll', options: { clusters: 5, windowSize: 33, every: 1, alpha: 0.01, refit: 0 } } },
];

describe.runIf(compiler)('detectors of vectors in C on this machine', () => {
  const references = vectorVariants.map(({ d }, i) => vectors(createRandom(i, 'reference'), d, 450, () => 0));
  const written = vectorVariants.map(({ request }, i) =>
    generateDetectorC({ ...request, reference: references[i]!, name: `v${i}_${request.detector}` }),
  );
  let host: Awaited<ReturnType<typeof hostStreams>>;
  beforeAll(async () => {
    host = await hostStreams(written);
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  for (const [i, { d, request }] of vectorVariants.entries()) {
    test(`${written[i]!.face.prefix} decides as packages/drift on ${length} vectors`, async () => {
      const random = createRandom(7, `vectors${i}`);
      // Steady, then further away in turns, with what is no vector in between.
      const stream = vectors(random, d, length, (at) => (at < 5000 ? 0 : (at % 2000) / 1500));
      for (const at of [50, 3000, 9000]) stream[at]![0] = random.pick(outside.slice(0, 5));
      const detector = createVectorDetector(request.detector, d, { ...request.options, refit: 0 });
      detector.setReference(rowsFrom(references[i]!));
      const got = await host.run(i, Float64Array.from(stream.flatMap((vector) => [...vector])));
      const want = stream.map((vector) => {
        let refused = 0;
        try {
          detector.update(vector);
        } catch {
          refused = 4;
        }
        const flags = Number(detector.driftDetected) + 2 * Number(detector.warningDetected) + refused;
        return { flags, evidence: detector.evidence };
      });
      const flags = want.map((saying) => saying.flags);
      expect(firstDifference(got.flags, flags)).toBe(-1);
      expect(
        firstDifference(
          got.evidence,
          want.map((saying) => saying.evidence),
          1e-9,
        ),
      ).toBe(-1);
      expect([flags.includes(1), flags.includes(2), flags.some((flag) => flag >= 4)]).toEqual([true, true, true]);
      expect(flags.slice(0, 5000).filter((flag) => flag === 1).length).toBeLessThan(4900);
    });
  }
});
