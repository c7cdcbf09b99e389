// For tests: detectors in all their variants, streams that every one of them must agree on, and what packages/drift says to them.
import {
  createDetector,
  createVectorDetector,
  detectorNames,
  rowsFrom,
  type DetectorName,
  type VectorDetector,
} from '@sanderling/drift';
import { createRandom, type Random } from '@sanderling/kit';
import { generateDetectorC } from './generate-detector.ts';
import type { VectorRequest } from './requests.ts';
import type { Sayings } from './run-streams.ts';

/** Every detector as it comes, and with settings that take the other paths of its code. */
export const variants: readonly {
  readonly detector: DetectorName;
  readonly options?: Readonly<Record<string, number>>;
}[] = [
  ...detectorNames.map((detector) => ({ detector })),
  { detector: 'adwin', options: { clock: 1, maxBuckets: 3, delta: 0.2, minWindow: 4, grace: 0 } },
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

export const generated = variants.map(({ detector, options }, i) =>
  generateDetectorC({ detector, name: `d${i}_${detector.replace('-', '_')}`, ...(options ? { options } : {}) }),
);

type Input = 'real' | 'unit' | 'binary';

/** A sample around a level from 0 to 1. */
const draws: Readonly<Record<Input, (random: Random, level: number) => number>> = {
  real: (random, level) => 4 * level + random.normal(),
  unit: (random, level) => Math.min(1, Math.max(0, level + 0.1 * random.normal())),
  binary: (random, level) => Number(random.next() < level),
};

export const length = 20_000;
const outside = [Number.NaN, Infinity, -Infinity, 1.0000001e100, -2e100, -0.1, 1.1, 0.5, 1e100, -0];

/** Streams that every detector must agree on, whatever it makes of them. */
export const streams = {
  steady: (input: Input, random: Random) => Float64Array.from({ length }, () => draws[input](random, 0.2)),
  moving: (input: Input, random: Random) => {
    let level = 0.2;
    return Float64Array.from({ length }, () => {
      if (random.next() < 1 / 400) level = random.next();
      return draws[input](random, level);
    });
  },
  drifting: (input: Input, random: Random) =>
    Float64Array.from({ length }, (_, i) => draws[input](random, 0.1 + (0.8 * i) / length)),
  constant: (input: Input, random: Random) => {
    let value = 0;
    return Float64Array.from({ length }, () => {
      if (random.next() < 1 / 1000) value = input === 'real' ? random.int(-3, 3) * 1e6 : random.int(0, 1);
      return value;
    });
  },
  hostile: (input: Input, random: Random) =>
    Float64Array.from({ length }, () => (random.next() < 0.01 ? random.pick(outside) : draws[input](random, 0.3))),
} as const satisfies Readonly<Record<string, (input: Input, random: Random) => Float64Array>>;

/** What packages/drift says. */
export function expected({ detector, options }: (typeof variants)[number], samples: Float64Array): Sayings {
  const made = createDetector(detector, options);
  const flags = new Uint32Array(samples.length);
  const evidence = new Float64Array(samples.length);
  for (const [i, x] of samples.entries()) {
    const said = sayingOf(made, () => made.update(x));
    [flags[i], evidence[i]] = [said.flags, said.evidence];
  }
  return { flags, evidence };
}

/** Where two lists first differ by more than a share; -1 if nowhere. */
export function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>, share = 0): number {
  return Array.from(a).findIndex((x, i) => !(Math.abs(x - b[i]!) <= share * Math.abs(b[i]!)));
}

/** Vectors around a centre, one feature the same in all of them. */
function vectors(random: Random, d: number, n: number, moved: (i: number) => number): readonly Float64Array[] {
  return Array.from({ length: n }, (_, i) => {
    const common = random.normal();
    return Float64Array.from({ length: d }, (_, j) => (j === 1 ? 3 : 10 * j + common * j + random.normal() + moved(i)));
  });
}

export const vectorVariants: readonly { readonly d: number; readonly request: Omit<VectorRequest, 'reference'> }[] = [
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

const references = vectorVariants.map(({ d }, i) => vectors(createRandom(i, 'reference'), d, 450, () => 0));
export const generatedForVectors = vectorVariants.map(({ request }, i) =>
  generateDetectorC({ ...request, reference: references[i]!, name: `v${i}_${request.detector}` }),
);

/** Steady vectors, then further away in turns, with what is no vector in between; and what packages/drift says to them. */
export function vectorStream(i: number): { readonly samples: Float64Array; readonly want: Sayings } {
  const { d, request } = vectorVariants[i]!;
  const random = createRandom(7, `vectors${i}`);
  const stream = vectors(random, d, length, (at) => (at < steadyVectors ? 0 : (at % 2000) / 1500));
  for (const at of [50, 3000, 9000]) stream[at]![0] = random.pick(outside.slice(0, 5));
  const detector = createVectorDetector(request.detector, d, { ...request.options, refit: 0 });
  detector.setReference(rowsFrom(references[i]!));
  const said = stream.map((vector) => sayingOf(detector, () => detector.update(vector)));
  return {
    samples: Float64Array.from(stream.flatMap((vector) => [...vector])),
    want: {
      flags: Uint32Array.from(said, ({ flags }) => flags),
      evidence: Float64Array.from(said, ({ evidence }) => evidence),
    },
  };
}

/** Vectors before the first drift. */
export const steadyVectors = 5000;

/** Flags and evidence after an update, in the words of the C code. */
function sayingOf(
  detector: Pick<VectorDetector, 'driftDetected' | 'warningDetected' | 'evidence'>,
  update: () => void,
): { readonly flags: number; readonly evidence: number } {
  let refused = 0;
  try {
    update();
  } catch {
    refused = 4;
  }
  const flags = Number(detector.driftDetected) + 2 * Number(detector.warningDetected) + refused;
  return { flags, evidence: detector.evidence };
}
