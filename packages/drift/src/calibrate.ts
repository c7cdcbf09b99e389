// Sets a detector's threshold so that it alarms by mistake about once in so many samples: the expected run time without drift, as in
// O. Cobb, A. Van Looveren, J. Klaise, “Sequential multivariate change detection with calibrated and memoryless false detection rates”,
// AISTATS 2022. Drift-free streams are drawn from a reference in blocks (H. Künsch, “The jackknife and the bootstrap for general
// stationary observations”, Ann. Statist. 17, 1989), so that autocorrelation counts. Done on the hub; the device gets one number.
import { createRandom, SanderlingError } from '@sanderling/kit';
import { createDetector, detectors, isDetectorName, type DetectorName, type DetectorRow } from './detectors.ts';
import type { OptionRule } from './options.ts';

/** What to calibrate. */
export interface CalibrationOptions {
  readonly detector: DetectorName;
  /** Options that stay as they are. @default none */
  readonly options?: Readonly<Record<string, number>>;
  /** Samples of the detector's kind without drift, in order. At least 100. */
  readonly reference: ArrayLike<number>;
  /** Samples between two false alarms that are wanted, 10…100,000. */
  readonly runTime: number;
  /** Samples that stay together when drawn: longer than the data remember. @default the square root of the reference's length */
  readonly block?: number;
  /** @default 1 */
  readonly seed?: number;
}

/** A calibrated detector's options. */
export interface Calibration {
  readonly options: Readonly<Record<string, number>>;
  /** Samples between false alarms on another draw; the draw's whole length when there was none. */
  readonly runTime: number;
  /** Whether that draw had no false alarm: the run time is only a lower bound. */
  readonly atLeast: boolean;
}

/** The option that sets a detector's threshold, and whether a larger one means fewer alarms. */
const thresholds: Readonly<Record<DetectorName, { readonly option: string; readonly rises: boolean }>> = {
  adwin: { option: 'delta', rises: false },
  cusum: { option: 'h', rises: true },
  ddm: { option: 'driftLevel', rises: true },
  eddm: { option: 'beta', rises: false },
  'hddm-a': { option: 'alphaDrift', rises: false },
  'hddm-w': { option: 'alphaDrift', rises: false },
  kswin: { option: 'alpha', rises: false },
  'page-hinkley': { option: 'lambda', rises: true },
  stepd: { option: 'alphaDrift', rises: false },
};

const least = 100;
const runTimes = { min: 10, max: 100_000 } as const;
/** Wanted run times in a draw: the more, the surer. */
const runsPerDraw = 100;
const longestDraw = 2_000_000;
const halvings = 14;

/**
 * Options with the threshold that gives the run time.
 * @throws INVALID_CONFIG; TOO_LITTLE_DATA below 100 samples; INVALID_DATA when a sample is not of the detector's kind;
 * LIMIT_REACHED when no threshold within the option's search range gives so long a run time.
 */
export function calibrate(calibration: CalibrationOptions): Calibration {
  checkCalibration(calibration);
  const { detector, runTime, seed = 1 } = calibration;
  const { option, rises } = thresholds[detector];
  const row: DetectorRow = detectors[detector];
  const { low, high, log } = (row.options[option] as OptionRule).search as { low: number; high: number; log?: boolean };
  const [from, to] = rises ? [low, high] : [high, low];
  const valueAt = (share: number): number => (log === true ? from * (to / from) ** share : from + (to - from) * share);
  const draw = drawn(calibration, seed);
  const meets = (share: number): boolean => runLength(calibration, valueAt(share), draw).runTime >= runTime;
  if (!meets(1)) {
    throw new SanderlingError(
      'LIMIT_REACHED',
      `${detector} cannot run ${runTime} samples without a false alarm on such data`,
      {
        where: option,
        fix: 'ask for a shorter run time, or thin out autocorrelated samples',
      },
    );
  }
  const value = valueAt(meets(0) ? 0 : leastShare(meets, halvings));
  return { options: optionsWith(calibration, value), ...runLength(calibration, value, drawn(calibration, seed + 1)) };
}

/** The least share that meets a bound which 1 meets and 0 does not, by halving. */
export function leastShare(meets: (share: number) => boolean, rounds: number): number {
  let tooLow = 0;
  let enough = 1;
  for (let i = 0; i < rounds; i++) {
    const middle = (tooLow + enough) / 2;
    if (meets(middle)) enough = middle;
    else tooLow = middle;
  }
  return enough;
}

function optionsWith({ detector, options = {} }: CalibrationOptions, value: number): Record<string, number> {
  const { option } = thresholds[detector];
  const all: Record<string, number> = { ...options, [option]: value };
  const row: DetectorRow = detectors[detector];
  const given = (name: string): number => all[name] ?? (row.options[name] as OptionRule).default;
  // A warning must come no later than the alarm.
  if (option === 'alphaDrift') all['alphaWarning'] = Math.max(given('alphaWarning'), value);
  if (detector === 'eddm') all['alpha'] = Math.max(given('alpha'), value);
  if (detector === 'ddm') all['warningLevel'] = Math.min(given('warningLevel'), value);
  return all;
}

function runLength(calibration: CalibrationOptions, value: number, draw: Float64Array): Omit<Calibration, 'options'> {
  const detector = createDetector(calibration.detector, optionsWith(calibration, value));
  let alarms = 0;
  for (const x of draw) {
    detector.update(x);
    if (!detector.driftDetected) continue;
    alarms += 1;
    detector.reset();
  }
  return { runTime: draw.length / Math.max(1, alarms), atLeast: alarms === 0 };
}

/** A drift-free stream: blocks of the reference, which is closed to a ring. */
function drawn({ reference, runTime, block }: CalibrationOptions, seed: number): Float64Array {
  const random = createRandom(seed, 'calibrate');
  const size = block ?? Math.ceil(Math.sqrt(reference.length));
  const draw = new Float64Array(Math.min(longestDraw, runsPerDraw * runTime));
  for (let i = 0, from = 0; i < draw.length; i++) {
    if (i % size === 0) from = random.int(0, reference.length - 1);
    draw[i] = reference[(from + (i % size)) % reference.length] as number;
  }
  return draw;
}

function checkCalibration({ detector, options, reference, runTime, block = 1 }: CalibrationOptions): void {
  if (!isDetectorName(detector)) createDetector(detector);
  createDetector(detector, options);
  const whole = Number.isInteger(runTime) && runTime >= runTimes.min && runTime <= runTimes.max;
  if (!whole || !Number.isInteger(block) || block < 1) {
    const where = whole ? 'block' : 'runTime';
    throw new SanderlingError('INVALID_CONFIG', `${where} is no whole number in bounds`, {
      where,
      fix: `runTime from ${runTimes.min} to ${runTimes.max}, block from 1`,
    });
  }
  if (reference.length < least) {
    throw new SanderlingError('TOO_LITTLE_DATA', `${reference.length} samples are too few; ${least} are needed`, {
      where: 'reference',
    });
  }
}
