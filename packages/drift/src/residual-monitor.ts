// Watches the residuals of a forecast on a device: a detector says whether something changed, a rolling error says by how much.
//
//   size   = min(|residual|, max(mean + 4·std, 4·mean))               reference of the validation part; one spike is no drift
//   effect = ln(rolling mean of size / mean) / ln(alertRatio)         1 when the model is alertRatio times worse than it was
//   score  = driftScore(min(effect, evidence of the detector))        both must speak: no alarm from noise, none from a trifle
//
// The detector gets means of blocks of `inflation` samples in units of the reference's deviation, so that autocorrelated residuals
// look independent to it. Its alarm is kept until the effect has been below 1 for two windows. An effect of at least 1 throughout
// a window, short breaks paid back, counts as evidence whatever the detector says: a model that is wrong from the first sample on
// does not stay silent.
//
// Hourly residuals with heavy tails (t₄), errors 40 % larger by day, 1,500 of them as reference, 40 seeds, default settings:
// autocorrelation 0 / 0.3 / 0.5 / 0.7: 0.03 / 0.03 / 0.13 / 0.35 false alarms a year; a doubled error is found within 100 updates
// in 100 / 100 / 98 / 88 % (median 53 / 56 / 55 / 68). ADWIN and KSWIN have fewer false alarms and longer delays.
import { SanderlingError } from '@sanderling/kit';
import { createDetector, detectors, isDetectorName, type DetectorName, type DetectorRow } from './detectors.ts';
import { maxMagnitude, MemoryReader, type Detector, type DetectorState } from './detector.ts';
import { resolveOptions, shown, type OptionRules } from './options.ts';
import { PageHinkley } from './page-hinkley.ts';
import { defaultScoreWindow, largestCounted, type ResidualReference } from './residual-reference.ts';
import { alertScore, driftRatio, driftScore } from './score.ts';

/** Settings of a monitor: plain JSON. */
export interface ResidualMonitorConfig {
  /** @default 'page-hinkley' */
  readonly detector?: DetectorName;
  /** The detector's own settings, for samples in deviations of the reference. @default monitorDefaults of the detector */
  readonly options?: Readonly<Record<string, number>>;
  readonly reference: ResidualReference;
  /** Residuals in the rolling error. @default 24 × the reference's inflation, at least 72 and at most 144 */
  readonly scoreWindow?: number;
  /** Score from which the alarm sounds. @default 0.7 */
  readonly alertAt?: number;
  /** How many times worse than the reference the rolling error is at a score of 0.7. @default 1.5, more if the reference has a peak */
  readonly alertRatio?: number;
  /** Updates in a row with a score of at least `alertAt` before the alarm sounds. @default 3 */
  readonly confirm?: number;
}

/** What one residual led to. */
export interface ResidualVerdict {
  /** 0…1; see score.ts. */
  readonly score: number;
  /** Whether the score has been at least `alertAt` for `confirm` updates; goes off with the score. */
  readonly alarm: boolean;
  /** True on the one update on which an episode's first alarm sounds: the time to send an event. */
  readonly raised: boolean;
  /** Close to an alarm: four fifths of the alerting amount, or not yet confirmed. */
  readonly warning: boolean;
  /** Mean absolute residual over the window, in the residuals' unit; null until one finite residual was seen. */
  readonly rollingError: number | null;
}

/** The numbers that a monitor works with, every default filled in: for programs that take the same decisions without this package. Frozen. */
export interface ResidualMonitorNumbers {
  readonly detector: DetectorName;
  /** All options of the detector, for samples in deviations of the reference. */
  readonly options: Readonly<Record<string, number>>;
  readonly scoreWindow: number;
  readonly alertAt: number;
  readonly confirm: number;
  readonly alertRatio: number;
  /** The reference's mean with its uncertainty added, and a deviation that is never zero; in the residuals' unit. */
  readonly mean: number;
  readonly std: number;
  /** Residuals whose mean size is one sample of the detector. */
  readonly block: number;
  /** Size that one residual counts at most, in the residuals' unit. */
  readonly ceiling: number;
  /** Samples of mean 0 that a fresh detector counts as seen; 0 for a detector that cannot be primed. */
  readonly primedSamples: number;
}

/** A monitor's whole state as plain JSON. */
export interface ResidualMonitorState {
  readonly monitor: 'residual';
  readonly version: 1;
  readonly config: ResidualMonitorConfig;
  readonly detector: DetectorState;
  readonly memory: DetectorState['memory'];
}

type Settings = Required<Pick<ResidualMonitorConfig, 'scoreWindow' | 'alertAt' | 'confirm'>>;

const settingRules: OptionRules<Settings> = {
  scoreWindow: { default: 0, min: 8, max: 100_000, whole: true, about: 'residuals in the rolling error' },
  alertAt: { default: alertScore, min: 0.3, max: 0.99, about: 'score from which the alarm sounds' },
  confirm: { default: 3, min: 1, max: 10_000, whole: true, about: 'updates in a row before the alarm sounds' },
};

const referenceRules: OptionRules<Required<ResidualReference>> = {
  mean: { default: Number.NaN, min: 0, max: 1e100, about: 'mean absolute residual' },
  std: { default: Number.NaN, min: 0, max: 1e100, about: 'standard deviation of the absolute residuals' },
  n: { default: Number.NaN, min: 1, max: Number.MAX_SAFE_INTEGER, whole: true, about: 'number of residuals' },
  inflation: { default: 3, min: 1, max: 1000, about: 'variance of a mean over that of independent residuals' },
  peak: { default: 1, min: 1, max: 1e6, about: 'largest rolling mean of the reference, in means' },
};

/** Least ratio that alerts, and the most that a reference's peak may raise it to: a doubled error always alerts. */
const ratioRange = { least: 1.5, most: 1.7, abovePeak: 1.1 } as const;

/** Options of the detectors for residuals in deviations of the reference; a detector not named here keeps its own defaults. */
export const monitorDefaults: Readonly<Partial<Record<DetectorName, Readonly<Record<string, number>>>>> = {
  'page-hinkley': { delta: 0.3, lambda: 8, alpha: 1, minSamples: 1 },
  adwin: { clock: 4, delta: 0.05 },
  kswin: { windowSize: 60, statSize: 20, alpha: 0.005 },
};

/** How far above the alerting amount a residual may count. */
const reserve = 1.5;

/** Most samples that a primed mean counts for. */
const primedSamples = 1000;

export class ResidualMonitor {
  readonly config: ResidualMonitorConfig;
  /** Bound on the retained numbers, bytes. */
  readonly maxBytes: number;
  readonly #settings: Settings;
  readonly #reference: Required<ResidualReference>;
  readonly #row: DetectorRow;
  readonly #detector: Detector;
  readonly #alertRatio: number;
  /** ln of the ratio that alerts. */
  readonly #alertLog: number;
  /** Deviation of a block mean is about that of one sample: the block holds `inflation` samples. */
  readonly #block: number;
  readonly #ceiling: number;
  /** Ring of clipped sizes, and of true sizes (−1 where the residual was not finite). */
  readonly #sizes: Float64Array;
  readonly #errors: Float64Array;
  #seen = 0;
  #blockSum = 0;
  #blockCount = 0;
  /** Updates until the detector's alarm is forgotten; 0: it has none. */
  #latched = 0;
  #over = 0;
  #confirmed = 0;
  #raised = false;

  /** @throws INVALID_CONFIG naming the field. */
  constructor(config: ResidualMonitorConfig) {
    const { detector = 'page-hinkley', options, reference, alertRatio, ...settings } = asObject(config);
    this.config = structuredClone(config);
    this.#reference = checkedReference(reference);
    const scoreWindow = config.scoreWindow ?? defaultScoreWindow(this.#reference.inflation);
    this.#settings = resolveOptions(settingRules, { ...settings, scoreWindow }, 'drift');
    if (!isDetectorName(detector)) createDetector(detector);
    this.#row = detectors[detector];
    this.#detector = createDetector(detector, { ...monitorDefaults[detector], ...options });
    const ratio = checkedRatio(alertRatio, this.#reference.peak);
    this.#alertRatio = ratio;
    this.#alertLog = Math.log(ratio);
    this.#block = Math.round(this.#reference.inflation);
    // Never below what the alarm needs, or it could not sound.
    const needed = reserve * this.#reference.mean * ratio ** Math.max(1, driftRatio(this.#settings.alertAt));
    this.#ceiling = Math.max(needed, largestCounted(this.#reference.mean, this.#reference.std));
    this.#sizes = new Float64Array(this.#settings.scoreWindow);
    this.#errors = new Float64Array(this.#settings.scoreWindow);
    this.maxBytes = this.#settings.scoreWindow * 16 + this.#detector.maxBytes + 7 * 8;
    this.reset();
  }

  /**
   * Takes the residual (observed − forecast) of one matured forecast, in the unit of the reference.
   * A residual that is not finite counts as a failed forecast of the largest size; it is left out of `rollingError`.
   */
  update(residual: number): ResidualVerdict {
    const size = Math.abs(residual);
    const clipped = size <= this.#ceiling ? size : this.#ceiling;
    const at = this.#seen % this.#sizes.length;
    this.#sizes[at] = clipped;
    this.#errors[at] = size <= maxMagnitude ? size : -1;
    this.#seen += 1;
    this.#feed(clipped);
    return this.#verdict();
  }

  /** What the settings and the reference come to. */
  numbers(): ResidualMonitorNumbers {
    const { mean, std } = this.#reference;
    return Object.freeze({
      detector: this.#detector.name as DetectorName,
      options: Object.freeze({ ...this.#detector.options }),
      ...this.#settings,
      alertRatio: this.#alertRatio,
      mean,
      std,
      block: this.#block,
      ceiling: this.#ceiling,
      primedSamples: this.#detector instanceof PageHinkley ? this.#primedSamples : 0,
    });
  }

  get #primedSamples(): number {
    return Math.min(primedSamples, this.#reference.n);
  }

  /** Forgets every residual, as if new. */
  reset(): void {
    this.#sizes.fill(this.#reference.mean);
    this.#errors.fill(-1);
    this.#seen = 0;
    this.#over = 0;
    this.#confirmed = 0;
    this.#raised = false;
    this.#rearm();
  }

  /** Everything needed to go on elsewhere with the same verdicts. */
  state(): ResidualMonitorState {
    return {
      monitor: 'residual',
      version: 1,
      config: structuredClone(this.config),
      detector: this.#detector.state(),
      memory: {
        sizes: [...this.#sizes],
        errors: [...this.#errors],
        seen: this.#seen,
        blockSum: this.#blockSum,
        blockCount: this.#blockCount,
        latched: this.#latched,
        over: this.#over,
        confirmed: this.#confirmed,
        raised: Number(this.#raised),
      },
    };
  }

  /** Takes over a state of a monitor with the same settings. @throws CORRUPT when it is not one. */
  restore(state: ResidualMonitorState): void {
    const { monitor, version, memory } = state ?? {};
    const reader = new MemoryReader({ detector: monitor, version, memory }, 'residual');
    const sizes = reader.list('sizes', this.#sizes.length);
    const errors = reader.list('errors', this.#sizes.length);
    reader.require(
      sizes.length === this.#sizes.length && errors.length === sizes.length,
      `the window is not ${this.#sizes.length} long`,
    );
    this.#detector.restore(state.detector);
    this.#sizes.set(sizes);
    this.#errors.set(errors);
    this.#seen = reader.count('seen');
    this.#blockSum = reader.number('blockSum');
    this.#blockCount = reader.count('blockCount', this.#block);
    this.#latched = reader.count('latched');
    this.#over = reader.count('over');
    this.#confirmed = reader.count('confirmed');
    this.#raised = reader.flag('raised');
  }

  /** Adds to the block; a full block goes to the detector. A latched alarm needs no more evidence. */
  #feed(clipped: number): void {
    if (this.#latched > 0) return;
    this.#blockSum += clipped;
    this.#blockCount += 1;
    if (this.#blockCount < this.#block) return;
    const mean = this.#blockSum / this.#blockCount;
    this.#blockSum = 0;
    this.#blockCount = 0;
    this.#detector.update(this.#sampleOf(mean));
    if (this.#detector.driftDetected) this.#latched = 2 * this.#sizes.length;
  }

  #sampleOf(size: number): number {
    const { mean, std } = this.#reference;
    const deviations = (size - mean) / std;
    if (this.#row.input === 'real') return deviations;
    return this.#row.input === 'binary' ? Number(deviations > 1) : Math.min(1, size / this.#ceiling);
  }

  #verdict(): ResidualVerdict {
    const effect = Math.max(0, Math.log(average(this.#sizes) / this.#reference.mean) / this.#alertLog);
    this.#settle(effect);
    const { alertAt, confirm } = this.#settings;
    const evidence = this.#latched > 0 ? Infinity : this.#detector.evidence;
    const score = driftScore(Math.min(effect, evidence));
    this.#confirmed = score >= alertAt ? Math.min(this.#confirmed + 1, confirm) : 0;
    const alarm = this.#confirmed >= confirm;
    const raised = alarm && !this.#raised;
    if (raised) this.#raised = true;
    const near = score >= driftScore(driftRatio(alertAt) * nearShare);
    return { score, alarm, raised, warning: near && !alarm, rollingError: this.#rollingError() };
  }

  /** Keeps, makes or forgets the detector's alarm by how long the effect has lasted. */
  #settle(effect: number): void {
    const patience = 2 * this.#sizes.length;
    this.#over = Math.max(0, Math.min(this.#over + (effect >= 1 ? 1 : -1), this.#sizes.length));
    if (this.#over >= this.#sizes.length) this.#latched = patience;
    if (this.#latched === 0) return;
    this.#latched = effect >= 1 ? patience : this.#latched - 1;
    if (this.#latched === 0) this.#rearm();
  }

  /** The episode is over: the detector starts again from the reference. */
  #rearm(): void {
    this.#latched = 0;
    this.#raised = false;
    this.#blockSum = 0;
    this.#blockCount = 0;
    this.#detector.reset();
    if (this.#detector instanceof PageHinkley) {
      this.#detector.prime(0, this.#primedSamples);
    }
  }

  #rollingError(): number | null {
    let sum = 0;
    let count = 0;
    for (const error of this.#errors) {
      if (error < 0) continue;
      sum += error;
      count += 1;
    }
    return count === 0 ? null : sum / count;
  }
}

/** Share of the alerting amount from which a warning is given. */
const nearShare = 0.8;

/** The monitor that a state came from. @throws CORRUPT, INVALID_CONFIG */
export function restoreResidualMonitor(state: ResidualMonitorState): ResidualMonitor {
  const monitor = new ResidualMonitor((state as ResidualMonitorState | null)?.config as ResidualMonitorConfig);
  monitor.restore(state);
  return monitor;
}

function asObject(config: ResidualMonitorConfig): ResidualMonitorConfig & Record<string, unknown> {
  if (typeof config !== 'object' || config === null) {
    throw new SanderlingError('INVALID_CONFIG', 'the settings of the drift monitor are missing', { where: 'drift' });
  }
  return config as ResidualMonitorConfig & Record<string, unknown>;
}

/** The reference with its uncertainty: the mean's upper 1-sigma bound, and a deviation that is never zero. */
function checkedReference(reference: ResidualReference): Required<ResidualReference> {
  const given = resolveOptions(referenceRules, reference as unknown as Record<string, unknown>, 'drift.reference');
  for (const key of ['mean', 'std', 'n'] as const) {
    if (!Number.isNaN(given[key])) continue;
    throw new SanderlingError('INVALID_CONFIG', `the reference has no ${key}`, {
      where: `drift.reference.${key}`,
      fix: 'make it with residualReference(residuals of the validation part)',
    });
  }
  const mean = Math.max(tiny, given.mean + given.std * Math.sqrt(given.inflation / given.n));
  return { ...given, mean, std: Math.max(given.std, leastSpread * mean) };
}

/** A model without any error on its validation part: what is larger than this is an error. */
const tiny = 1e-9;
const leastSpread = 0.1;

function checkedRatio(given: unknown, peak: number): number {
  if (given === undefined) {
    return Math.min(ratioRange.most, Math.max(ratioRange.least, peak * ratioRange.abovePeak));
  }
  if (typeof given === 'number' && given >= 1.05 && given <= 100) return given;
  throw new SanderlingError('INVALID_CONFIG', `${shown(given)} is not a number from 1.05 to 100`, {
    where: 'drift.alertRatio',
    fix: 'say how many times worse the rolling error may become; the default is 1.5',
  });
}

function average(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
