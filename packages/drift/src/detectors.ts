// The table of scalar detectors: what each takes, its options, its paper, how to make one.
import { SanderlingError } from '@sanderling/kit';
import { Adwin, adwinRules } from './adwin.ts';
import { Cusum, cusumRules } from './cusum.ts';
import { Ddm, ddmRules } from './ddm.ts';
import type { Detector, DetectorState } from './detector.ts';
import { Eddm, eddmRules } from './eddm.ts';
import { HddmA, hddmARules } from './hddm-a.ts';
import { HddmW, hddmWRules } from './hddm-w.ts';
import { Kswin, kswinRules } from './kswin.ts';
import type { OptionRule } from './options.ts';
import { PageHinkley, pageHinkleyRules } from './page-hinkley.ts';
import { Stepd, stepdRules } from './stepd.ts';

type Given = Readonly<Record<string, number>>;

/** One detector. */
export interface DetectorRow {
  /** What a sample may be: any finite number, a number in [0, 1], or 0 (right) and 1 (wrong). */
  readonly input: 'real' | 'unit' | 'binary';
  readonly options: Readonly<Record<string, OptionRule>>;
  readonly paper: string;
  readonly create: (options?: Given) => Detector;
}

/** Every scalar detector by name. */
export const detectors = {
  adwin: {
    input: 'real',
    options: { ...adwinRules },
    paper: 'Bifet & Gavaldà 2007',
    create: (options) => new Adwin(options),
  },
  cusum: {
    input: 'real',
    options: { ...cusumRules },
    paper: 'Page 1954; Hawkins & Olwell 1998',
    create: (options) => new Cusum(options),
  },
  ddm: {
    input: 'binary',
    options: { ...ddmRules },
    paper: 'Gama et al. 2004',
    create: (options) => new Ddm(options),
  },
  eddm: {
    input: 'binary',
    options: { ...eddmRules },
    paper: 'Baena-García et al. 2006',
    create: (options) => new Eddm(options),
  },
  'hddm-a': {
    input: 'unit',
    options: { ...hddmARules },
    paper: 'Frías-Blanco et al. 2015',
    create: (options) => new HddmA(options),
  },
  'hddm-w': {
    input: 'unit',
    options: { ...hddmWRules },
    paper: 'Frías-Blanco et al. 2015',
    create: (options) => new HddmW(options),
  },
  kswin: {
    input: 'real',
    options: { ...kswinRules },
    paper: 'Raab, Heusinger & Schleif 2020',
    create: (options) => new Kswin(options),
  },
  'page-hinkley': {
    input: 'real',
    options: { ...pageHinkleyRules },
    paper: 'Page 1954; Gama et al. 2013',
    create: (options) => new PageHinkley(options),
  },
  stepd: {
    input: 'binary',
    options: { ...stepdRules },
    paper: 'Nishida & Yamauchi 2007',
    create: (options) => new Stepd(options),
  },
} as const satisfies Record<string, DetectorRow>;

/** A name in {@link detectors}. */
export type DetectorName = keyof typeof detectors;

/** The names in {@link detectors}. */
export const detectorNames = Object.keys(detectors) as readonly DetectorName[];

/** Whether a text names a detector. */
export function isDetectorName(name: unknown): name is DetectorName {
  return typeof name === 'string' && Object.hasOwn(detectors, name);
}

/**
 * A detector by name.
 * @param options its own settings; what is left out takes the default.
 * @throws INVALID_CONFIG when the name or an option is unknown or out of bounds.
 */
export function createDetector(name: string, options?: Given): Detector {
  if (!isDetectorName(name)) {
    throw new SanderlingError('INVALID_CONFIG', `there is no detector “${String(name)}”`, {
      where: 'detector',
      fix: `use ${detectorNames.join(', ')}`,
    });
  }
  const row: DetectorRow = detectors[name];
  return row.create(options);
}

/**
 * The detector that a state came from, going on where it stopped.
 * @throws CORRUPT when it is not a state; INVALID_CONFIG when its detector or options are not known here.
 */
export function restoreDetector(state: DetectorState): Detector {
  if (typeof state !== 'object' || state === null || typeof state.options !== 'object' || state.options === null) {
    throw new SanderlingError('CORRUPT', 'not the state of a detector', {
      where: 'state',
      fix: 'start the detector anew; it will need its warm-up again',
    });
  }
  const detector = createDetector(state.detector, state.options);
  detector.restore(state);
  return detector;
}
