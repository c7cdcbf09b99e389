// What each scalar detector of packages/drift becomes in C: which options are counts and switches, what is computed beforehand, how large the state is.
import { createDetector, normalQuantile, type Detector, type DetectorName } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';
import { count, double, type Constant } from './template.ts';

type Options = Readonly<Record<string, number>>;

/** How a detector is written in C. */
export interface ScalarRule {
  /** Options that the C text reads as unsigned numbers (sizes of arrays) and as signed switches of the preprocessor; others are doubles. */
  readonly counts?: readonly string[];
  readonly switches?: readonly string[];
  /** Numbers that are computed here, not on the device. */
  readonly derived?: (options: Options, detector: Detector, rows: number) => readonly Constant[];
  /** Bytes of the state: 8 for each double, 4 for each counter; rounded up to 8 by the caller. */
  readonly bytes: (options: Options, rows: number) => number;
  /** Functions of libm that a decision depends on, beside `sqrt`, which is exact everywhere. */
  readonly libm?: string;
}

const flags = 4;
const doubles = (n: number): number => 8 * n;

/** One row a detector. */
export const scalarRules: Readonly<Record<DetectorName, ScalarRule>> = {
  adwin: {
    counts: ['clock', 'maxBuckets'],
    derived: ({ maxBuckets }, _, rows) => [
      { macro: 'ROWS', c: count(rows), about: 'rows of buckets: the window holds up to MAX_BUCKETS * 2^ROWS samples' },
      { macro: 'ROOM', c: count(maxBuckets! + 1) },
      { macro: 'EULER', c: double(Math.E) },
      { macro: 'BELOW_ONE', c: double(1 - Number.EPSILON) },
    ],
    bytes: ({ maxBuckets }, rows) => doubles(2 * rows * (maxBuckets! + 1) + 5) + 4 * rows + 8 + flags,
    libm: 'log',
  },
  cusum: {
    switches: ['direction'],
    derived: ({ deviation }) => [{ macro: 'REFERENCE_GIVEN', c: deviation! > 0 ? '1' : '0' }],
    bytes: () => doubles(6) + flags,
  },
  ddm: { bytes: () => doubles(5) + flags },
  eddm: { bytes: () => doubles(7) + 4 + flags },
  'hddm-a': {
    switches: ['twoSided'],
    derived: ({ alphaDrift, alphaWarning }) => [
      { macro: 'HALF_LOG', c: double(Math.log(1 / alphaDrift!) / 2) },
      { macro: 'DRIFT_LOG', c: double(Math.log(2 / alphaDrift!) / 2) },
      { macro: 'WARNING_SHARE', c: double(Math.sqrt(Math.log(2 / alphaWarning!) / Math.log(2 / alphaDrift!))) },
    ],
    bytes: () => doubles(7) + flags,
  },
  'hddm-w': {
    switches: ['twoSided'],
    derived: ({ alphaDrift, alphaWarning, lambda }) => [
      { macro: 'LAMBDA_SQUARED', c: double(lambda! * lambda!) },
      { macro: 'KEEP', c: double(1 - lambda!) },
      { macro: 'KEEP_SQUARED', c: double((1 - lambda!) ** 2) },
      { macro: 'DRIFT_LOG', c: double(Math.log(1 / alphaDrift!) / 2) },
      { macro: 'WARNING_SHARE', c: double(Math.sqrt(Math.log(1 / alphaWarning!) / Math.log(1 / alphaDrift!))) },
    ],
    bytes: () => doubles(13) + flags,
  },
  kswin: {
    counts: ['windowSize', 'statSize'],
    derived: (options, detector) => [
      {
        macro: 'CRITICAL_STEPS',
        c: double(criticalSteps(options, detector)),
        about: 'distance that alarms, in samples',
      },
      { macro: 'RANDOM', c: seedWords(options['seed']!), about: 'the seeded beginning of the draw' },
    ],
    bytes: ({ windowSize, statSize }) =>
      doubles(windowSize! + 2 * statSize! + 1) + 4 * (windowSize! - statSize! + 5) + flags,
  },
  'page-hinkley': { switches: ['direction'], bytes: () => doubles(5) + flags },
  stepd: {
    counts: ['window'],
    switches: ['direction'],
    derived: ({ alphaDrift, alphaWarning }) => [
      { macro: 'Z_DRIFT', c: double(-normalQuantile(alphaDrift! / 2)) },
      { macro: 'Z_WARNING', c: double(-normalQuantile(alphaWarning! / 2)) },
    ],
    bytes: ({ window }) => doubles(4) + 4 + flags + window!,
  },
};

function seedWords(seed: number): string {
  return `{${createRandom(seed, 'kswin')
    .state()
    .map((word) => `${word >>> 0}U`)
    .join(', ')}}`;
}

/** KSWIN's threshold, read off the detector itself: one new sample among equal ones is a distance of one step. */
function criticalSteps({ windowSize }: Options, detector: Detector): number {
  const probe = createDetector(detector.name, detector.options);
  for (let i = 1; i < windowSize!; i++) probe.update(0);
  probe.update(1);
  return Math.round(1 / Math.min(1, probe.evidence));
}
