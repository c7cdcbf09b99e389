// Sets a vector detector's threshold so that it alarms by mistake about once in so many vectors, as `calibrate` does for scalar ones:
// drift-free streams are drawn in blocks from vectors without drift, and the threshold is halved until the run time is right. The
// detector gathers its reference anew after each alarm, as it will in use, so that the chance in the reference counts too.
import { createRandom, SanderlingError } from '@sanderling/kit';
import { leastShare } from '../calibrate.ts';
import type { OptionRule } from '../options.ts';
import { rowOf, rowsFrom, type Rows } from './rows.ts';
import {
  createVectorDetector,
  isVectorDetectorName,
  vectorDetectors,
  type VectorDetectorName,
  type VectorDetectorRow,
} from './vector-detectors.ts';

/** What to calibrate. */
export interface VectorCalibrationOptions {
  readonly detector: VectorDetectorName;
  /** Options that stay as they are. @default none */
  readonly options?: Readonly<Record<string, number>>;
  /** Vectors without drift, in order. At least the detector's referenceSize + windowSize. */
  readonly reference: readonly ArrayLike<number>[];
  /** Vectors between two false alarms that are wanted: more than referenceSize + windowSize, at most 20,000. */
  readonly runTime: number;
  /** Vectors that stay together when drawn: longer than the data remember. @default the square root of the reference's length */
  readonly block?: number;
  /** @default 1 */
  readonly seed?: number;
}

/** A calibrated vector detector's options. */
export interface VectorCalibration {
  readonly options: Readonly<Record<string, number>>;
  /** Vectors between false alarms on another draw; the draw's whole length when there was none. */
  readonly runTime: number;
  /** Whether that draw had no false alarm: the run time is only a lower bound. */
  readonly atLeast: boolean;
}

/** The option that sets a detector's threshold, and whether a larger one means fewer alarms. */
const thresholds: Readonly<Record<VectorDetectorName, { readonly option: string; readonly rises: boolean }>> = {
  bndm: { option: 'threshold', rises: true },
  d3: { option: 'tau', rises: true },
  ks: { option: 'alpha', rises: false },
  lsdd: { option: 'alpha', rises: false },
  mmd: { option: 'alpha', rises: false },
  ocdd: { option: 'rho', rises: true },
  spll: { option: 'alpha', rises: false },
};

/** Wanted run times in a draw: fewer than for scalar detectors, as a comparison costs a thousand times more. */
const runsPerDraw = 15;
const halvings = 7;
const longest = 20_000;

/**
 * Options with the threshold that gives the run time, to within about a third.
 * @throws INVALID_CONFIG; TOO_LITTLE_DATA; INVALID_DATA;
 * LIMIT_REACHED when no threshold within the option's search range gives so long a run time.
 */
export function calibrateVector(calibration: VectorCalibrationOptions): VectorCalibration {
  const rows = checkedRows(calibration);
  const { detector, runTime, seed = 1 } = calibration;
  const { option, rises } = thresholds[detector];
  const row: VectorDetectorRow = vectorDetectors[detector];
  const { low, high, log } = (row.options[option] as OptionRule).search as { low: number; high: number; log?: boolean };
  const [from, to] = rises ? [low, high] : [high, low];
  const valueAt = (share: number): number => (log === true ? from * (to / from) ** share : from + (to - from) * share);
  const measured = (value: number, own: number): Omit<VectorCalibration, 'options'> =>
    runLength({ ...calibration, seed: own }, value, rows);
  const meets = (share: number): boolean => measured(valueAt(share), seed).runTime >= runTime;
  if (!meets(1)) {
    throw new SanderlingError('LIMIT_REACHED', `${detector} cannot run ${runTime} vectors without a false alarm here`, {
      where: option,
      fix: 'ask for a shorter run time, enlarge windowSize, or thin out autocorrelated vectors',
    });
  }
  const value = valueAt(meets(0) ? 0 : leastShare(meets, halvings));
  return { options: { ...calibration.options, [option]: value }, ...measured(value, seed + 1) };
}

function runLength(
  calibration: VectorCalibrationOptions,
  value: number,
  rows: Rows,
): Omit<VectorCalibration, 'options'> {
  const { options, runTime, block, seed = 1 } = calibration;
  const { option } = thresholds[calibration.detector];
  const detector = createVectorDetector(calibration.detector, rows.d, { ...options, [option]: value });
  const random = createRandom(seed, 'calibrate-vector');
  const size = block ?? Math.ceil(Math.sqrt(rows.n));
  const length = runsPerDraw * runTime;
  let alarms = 0;
  for (let i = 0, from = 0; i < length; i++) {
    if (i % size === 0) from = random.int(0, rows.n - 1);
    detector.update(rowOf(rows, (from + (i % size)) % rows.n));
    if (detector.driftDetected) alarms += 1;
  }
  return { runTime: length / Math.max(1, alarms), atLeast: alarms === 0 };
}

function checkedRows({ detector, options, reference, runTime, block = 1 }: VectorCalibrationOptions): Rows {
  if (!isVectorDetectorName(detector)) createVectorDetector(detector, 1);
  const rows = rowsFrom(reference, 'reference');
  const made = createVectorDetector(detector, rows.d, options);
  const least = (made.options['referenceSize'] as number) + (made.options['windowSize'] as number);
  const whole = Number.isInteger(runTime) && runTime > least && runTime <= longest;
  if (!whole || !Number.isInteger(block) || block < 1) {
    throw new SanderlingError('INVALID_CONFIG', `${whole ? 'block' : 'runTime'} is no whole number in bounds`, {
      where: whole ? 'block' : 'runTime',
      fix: `runTime from ${least + 1} to ${longest}, block from 1`,
    });
  }
  if (rows.n < least) {
    throw new SanderlingError('TOO_LITTLE_DATA', `${rows.n} vectors are too few; ${least} are needed`, {
      where: 'reference',
    });
  }
  return rows;
}
