// What a project is: the checked, serialisable form of `sanderling.config.ts`. Every field that may be left out has its default here, and only here.
import { SanderlingError } from '@sanderling/kit';
import { z } from 'zod';
import { duration } from './duration.ts';
import { microTargets, targets } from './target.ts';

/** Names of projects, models, devices and tags: lower case, digits, dashes. */
export const slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected lower-case letters, digits and dashes, at most 63');

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** One dimension of a search space. `log` spreads the samples evenly over the logarithm. */
export const searchDimension = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('int'), low: z.int(), high: z.int(), log: z.boolean().default(false) }),
  z.strictObject({ type: z.literal('float'), low: z.number(), high: z.number(), log: z.boolean().default(false) }),
  z.strictObject({ type: z.literal('choice'), options: z.array(scalar).min(1) }),
]);

/** A single value stands for a dimension that is not searched. */
const dimension = z.union([scalar, searchDimension]);

/** What carries the past in a forecaster: gated recurrent unit, long short-term memory, plain recurrent layer, or dense layers over the whole window. */
export const forecasterCells = ['gru', 'lstm', 'rnn', 'dense'] as const;

const cell = z.enum(forecasterCells);
const cellDimension = z.union([cell, z.strictObject({ type: z.literal('choice'), options: z.array(cell).min(1) })]);

const dataSpec = z.strictObject({
  /** What is measured; `temperature` turns on the check for mixed-up units. */
  quantity: z.string().min(1).default('value'),
  unit: z.string().default(''),
  /** Distance of two rows of the training grid; 'auto' takes it from the readings. */
  step: z.union([z.literal('auto'), duration]).default('auto'),
  /** Newest readings that a training set takes. */
  newest: z.int().min(50).max(5_000_000).default(20_000),
  /** Fewest grid rows worth training on. */
  minimum: z.int().min(50).default(400),
  /**
   * When an alarm starts the training: validation and test parts are taken from the fresh readings alone (those behind the alarm), in these shares of them,
   * and fresh training windows are repeated until they are this part of all training windows. 0 turns both off.
   */
  freshShare: z.number().min(0).max(0.95).default(0.5),
  /** Parts of the training set in the order of time; they add up to 1. */
  split: z
    .strictObject({ train: z.number().gt(0).lt(1), validation: z.number().gt(0).lt(1), test: z.number().gt(0).lt(1) })
    .default({ train: 0.7, validation: 0.15, test: 0.15 })
    .refine(
      (split) => Math.abs(split.train + split.validation + split.test - 1) < 1e-9,
      'train, validation and test must add up to 1',
    ),
});

/** What the model sees beside the value itself. */
export const features = ['value', 'difference', 'hour-of-day', 'day-of-week'] as const;

const modelSpec = z.strictObject({
  kind: z.literal('forecaster'),
  /** Steps ahead; 'auto' takes what suits the step. */
  horizon: z.union([z.literal('auto'), z.int().min(1).max(288)]).default('auto'),
  /** What the model sees; 'auto' takes what the readings can teach: no weekdays from three days. */
  features: z.union([z.literal('auto'), z.array(z.enum(features)).min(1)]).default('auto'),
  /** What training makes small; 'auto' is what the gates measure. */
  loss: z.enum(['auto', 'mse', 'mae', 'huber']).default('auto'),
});

const searchSpec = z.strictObject({
  algorithm: z.enum(['genetic', 'random']).default('genetic'),
  /** Trials in all. */
  trials: z.int().min(1).max(10_000).default(24),
  /** Trials of one generation. */
  population: z.int().min(2).max(1000).default(8),
  /** Trials at the same time, each in its own process; 'auto' is one for every core. */
  parallel: z.union([z.literal('auto'), z.int().min(1).max(256)]).default('auto'),
  seed: z.int().min(0).default(1),
  /** Most epochs of one trial. */
  epochs: z.int().min(1).max(10_000).default(12),
  /** Epochs without progress on the validation part before a trial stops. */
  patience: z.int().min(1).default(3),
  /** Longest trial. */
  trialTimeout: duration.default('5m'),
  space: z
    .strictObject({
      /** A plain recurrent layer (`rnn`) has no int8 form: on a microcontroller it computes in float. */
      cell: cellDimension.optional(),
      hidden: dimension.optional(),
      window: dimension.optional(),
      learningRate: dimension.optional(),
      batch: dimension.optional(),
      dropout: dimension.optional(),
    })
    .prefault({}),
});

/** A condition that a version must meet before it may be released. */
export const gateSpec = z.discriminatedUnion('gate', [
  /** Mean absolute error on the test part is at least `byPercent` below the baseline's. */
  z.strictObject({
    gate: z.literal('beats-baseline'),
    baseline: z.enum(['persistence', 'seasonal-naive']),
    byPercent: z.number().min(0).max(100).default(10),
  }),
  /** With this confidence, the error on the same test data is at most `marginPercent` above the champion's. */
  z.strictObject({
    gate: z.literal('not-worse-than-champion'),
    marginPercent: z.number().min(0).max(100).default(2),
    confidence: z.number().gt(0.5).lt(1).default(0.95),
  }),
  z.strictObject({ gate: z.literal('size'), maxKb: z.number().positive() }),
  /**
   * Time of one forecast: without a target the median on the hub's machine, one thread. With one, the instructions that the emulated board counts, at so many
   * cycles each, by the part's clock.
   */
  z.strictObject({
    gate: z.literal('latency'),
    maxMs: z.number().positive(),
    target: z.enum(microTargets).optional(),
    /** Cycles that an instruction takes on the part, for lack of silicon; an emulator counts none. */
    cyclesPerInstruction: z.number().positive().max(100).default(1),
  }),
  /** Memory that the release takes on a microcontroller: working memory of model, window and monitor, and the stack. */
  z.strictObject({
    gate: z.literal('ram'),
    maxKb: z.number().positive(),
    target: z.enum(microTargets).default('stm32h745'),
  }),
  /** Flash that the release takes on a microcontroller: the larger of its images, code and constants. */
  z.strictObject({
    gate: z.literal('flash'),
    maxKb: z.number().positive(),
    target: z.enum(microTargets).default('stm32h745'),
  }),
]);

const rolloutSpec = z.strictObject({
  /** Devices whose tags match; {} is every device of the project. */
  group: z.record(slug, z.string()).default({}),
  /** Share of the group that has the release after each wave, percent, ascending; the last is 100. */
  waves: z
    .array(z.number().gt(0).max(100))
    .min(1)
    .default([100])
    .refine(
      (waves) => waves.at(-1) === 100 && waves.every((wave, i) => i === 0 || wave > waves[i - 1]!),
      'waves must ascend to 100',
    ),
  /** Failed devices that abort the roll-out and bring the previous release back. */
  abortAfter: z.int().min(1).default(1),
  /** When a device counts the new release as good. */
  probation: z
    .strictObject({
      predictions: z.int().min(1).default(20),
      minutes: z.number().positive().default(5),
      maxErrorRatio: z.number().gt(1).default(5),
    })
    .prefault({}),
});

const driftSpec = z.strictObject({
  detector: z.string().default('page-hinkley'),
  /** The detector's own settings; see packages/drift. */
  options: z.record(z.string(), z.number()).default({}),
  /** How many times worse than on the test part the rolling error is at a score of 0.7; 'auto' is 1.5, more for errors that swing by themselves. */
  alertRatio: z.union([z.literal('auto'), z.number().gt(1).max(100)]).default('auto'),
  /** Score at which the alarm sounds. */
  alertAt: z.number().min(0.3).max(0.99).default(0.7),
});

/** An event turned into actions. */
export const automationSpec = z.strictObject({
  when: z.enum(['drift.alarm', 'schedule', 'readings.imported']),
  /** For `schedule`: how often. */
  every: duration.optional(),
  /** Fresh readings to wait for before acting: time that they cover, or how many. */
  collect: z.union([duration, z.strictObject({ readings: z.int().min(1) })]).optional(),
  /** Shortest time from one start to the next, by the readings' time. */
  cooldown: duration.default('0s'),
  /** What to do, in this order. */
  run: z.array(z.enum(['retrain', 'gate', 'roll-out'])).min(1),
});

/** int8 values and weights, for microcontrollers: what the hub evaluates, gates and tests from then on is the quantised model. */
const quantiseSpec = z.strictObject({
  step: z.literal('quantise-int8'),
  /** How the ranges of values are chosen from windows of the training part. */
  calibration: z.enum(['minmax', 'percentile', 'mse', 'entropy']).default('minmax'),
  /** Largest error of the forecasts relative to their size (root mean square); layers that would break it stay in float. */
  budget: z.number().positive().max(1).default(0.05),
  /**
   * int8 knows no values beyond its range, and a device lives to see what no training part held: half of the windows are measured shifted up and down by so
   * many standard deviations of the series, too.
   */
  headroom: z.number().min(0).max(8).default(3),
  /** Windows that ranges and error are measured on. */
  windows: z.int().min(8).max(4096).default(128),
});

/** One step of optimising a model. A word alone stands for the step with its defaults. */
export const optimiseStep = z.union([z.enum(['fold-constants', 'quantise-int8']), quantiseSpec]);

/** The whole of a project. */
export const projectSpec = z.strictObject({
  name: slug,
  description: z.string().default(''),
  data: dataSpec.prefault({}),
  model: modelSpec,
  search: searchSpec.prefault({}),
  gates: z.array(gateSpec).default([]),
  /** How the chosen model is made smaller or faster before it is released, in this order. */
  optimise: z.array(optimiseStep).default(['fold-constants']),
  targets: z.array(z.enum(targets)).min(1),
  rollout: rolloutSpec.prefault({}),
  drift: driftSpec.prefault({}),
  automations: z.array(automationSpec).default([]),
});

/** A checked project, defaults filled in. */
export type ProjectSpec = z.output<typeof projectSpec>;
/** A project as authors write it. */
export type ProjectInput = z.input<typeof projectSpec>;
export type OptimiseStep = z.output<typeof optimiseStep>;
/** What is said of quantising, defaults filled in. */
export type QuantiseSpec = z.output<typeof quantiseSpec>;
export type GateSpec = z.output<typeof gateSpec>;
export type SearchDimension = z.output<typeof searchDimension>;
export type AutomationSpec = z.output<typeof automationSpec>;

/** The step with its defaults. */
export function quantiseSettings(step: 'quantise-int8' | z.input<typeof quantiseSpec>): QuantiseSpec {
  return quantiseSpec.parse(typeof step === 'string' ? { step } : step);
}

/**
 * Checks what an author wrote and fills in the defaults.
 * @throws INVALID_CONFIG with the path of every wrong field.
 */
export function parseProject(input: unknown): ProjectSpec {
  const result = projectSpec.safeParse(input);
  if (result.success) return result.data;
  throw configError('the project', result.error);
}

/** A schema failure as an INVALID_CONFIG error: one line a wrong field, its path first. */
export function configError(what: string, error: z.ZodError): SanderlingError {
  const lines = error.issues.map(describeIssue);
  return new SanderlingError(
    'INVALID_CONFIG',
    `${what} has ${lines.length === 1 ? 'a wrong field' : `${lines.length} wrong fields`}: ${lines.join('; ')}`,
    {
      where: fieldPath(error.issues[0]?.path ?? []),
      details: { issues: lines },
    },
  );
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `${issue.keys.map((key) => fieldPath([...issue.path, key])).join(', ')}: no such field`;
  return `${fieldPath(issue.path) || 'the whole'}: ${issue.message}`;
}

function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
}
