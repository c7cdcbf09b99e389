// Seeded streams with known drift points: a family of concepts, and how one concept follows another.
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import { shown } from '../options.ts';
import { conceptNames, concepts, type ConceptFamily, type ConceptName } from './concepts.ts';

/**
 * How the next concept comes: at once; by a growing share of samples from it; by moving the concept itself; at once, and the first
 * two take turns for ever.
 */
export const driftKinds = ['abrupt', 'gradual', 'incremental', 'recurring'] as const;
export type DriftKind = (typeof driftKinds)[number];

/** Samples from which (included) to which (excluded) the concept changes; an abrupt change lasts one sample. */
export interface DriftPoint {
  readonly start: number;
  readonly end: number;
}

/** A sample: its features are valid until the next is drawn. */
export interface StreamSample {
  readonly x: Float64Array;
  /** A whole number from 0; the streams made here have 0 and 1. */
  readonly label: number;
}

/** A stream that gives the same samples each time it is read. */
export interface DriftStream {
  readonly name: string;
  readonly features: number;
  readonly labelled: boolean;
  readonly length: number;
  readonly drifts: readonly DriftPoint[];
  readonly samples: () => Generator<StreamSample, void, undefined>;
}

/** Settings of a stream. */
export interface StreamOptions {
  readonly concept: ConceptName;
  /** @default 'abrupt' */
  readonly kind?: DriftKind;
  readonly seed: number | string;
  /** Samples. @default 10000 */
  readonly length?: number;
  /** Drifts, evenly spaced; 0 is a stream without drift. @default 3 */
  readonly drifts?: number;
  /** Samples that a gradual or incremental change takes. @default a tenth of the distance between drifts */
  readonly width?: number;
  /** Features, where the family lets one choose. @default 10 */
  readonly features?: number;
  /** Share of labels that are turned, 0…0.5. @default 0 */
  readonly noise?: number;
  /** Size of the change, where the family has one. @default 1 */
  readonly magnitude?: number;
}

interface Plan {
  readonly family: ConceptFamily;
  readonly kind: DriftKind;
  readonly length: number;
  readonly features: number;
  readonly noise: number;
  readonly drifts: readonly DriftPoint[];
  readonly parameters: readonly (readonly number[])[];
}

/** A stream from its settings. @throws INVALID_CONFIG naming the field. */
export function createStream(options: StreamOptions): DriftStream {
  const plan = planOf(options);
  const { kind, length, features, drifts, family } = plan;
  return {
    name: `${options.concept}-${drifts.length === 0 ? 'steady' : kind}`,
    features,
    labelled: family.labelled,
    length,
    drifts,
    samples: () => draw(plan, createRandom(options.seed, 'stream')),
  };
}

function planOf(options: StreamOptions): Plan {
  const { concept, kind = 'abrupt', length = 10_000, drifts = 3, noise = 0, magnitude = 1 } = options;
  if (!Object.hasOwn(concepts, concept)) throw bad('concept', concept, `use ${conceptNames.join(', ')}`);
  if (!driftKinds.includes(kind)) throw bad('kind', kind, `use ${driftKinds.join(', ')}`);
  const family: ConceptFamily = concepts[concept];
  requireWhole('length', length, 1, 1e9);
  requireWhole('drifts', drifts, 0, Math.max(0, length - 1));
  requireWhole('features', options.features ?? 10, 1, 4096);
  requireBetween('noise', noise, 0, 0.5);
  requireBetween('magnitude', magnitude, 0, 100);
  const features = family.features(options.features ?? 10);
  const distance = Math.floor(length / (drifts + 1));
  const width =
    kind === 'abrupt' || kind === 'recurring' ? 1 : (options.width ?? Math.max(1, Math.floor(distance / 10)));
  requireWhole('width', width, 1, Math.max(1, distance));
  const points = Array.from({ length: drifts }, (_, i) => ({
    start: (i + 1) * distance,
    end: (i + 1) * distance + width,
  }));
  const random = createRandom(options.seed, 'concepts');
  const made = Array.from({ length: drifts + 1 }, (_, i) => family.parameters(i, features, { magnitude, random }));
  const parameters = made.map((own, i) => (kind === 'recurring' ? (made[i % 2] as number[]) : own));
  return { family, kind, length, features, noise, drifts: Object.freeze(points), parameters };
}

function* draw(plan: Plan, random: Random): Generator<StreamSample, void, undefined> {
  const x = new Float64Array(plan.features);
  let passed = 0;
  for (let i = 0; i < plan.length; i++) {
    while (passed < plan.drifts.length && i >= (plan.drifts[passed] as DriftPoint).end) passed += 1;
    const label = plan.family.draw(parametersAt(plan, passed, i, random), random, x);
    const turned = plan.noise > 0 && random.next() < plan.noise;
    yield { x, label: turned ? 1 - label : label };
  }
}

/** The concept's numbers at sample i, when `passed` drifts are over. */
function parametersAt(plan: Plan, passed: number, i: number, random: Random): readonly number[] {
  const now = plan.parameters[passed] as readonly number[];
  const drift = plan.drifts[passed];
  if (drift === undefined || i < drift.start) return now;
  const next = plan.parameters[passed + 1] as readonly number[];
  const share = (i - drift.start + 1) / (drift.end - drift.start);
  if (plan.kind !== 'incremental') return random.next() < share ? next : now;
  return now.map((from, k) => from + share * ((next[k] as number) - from));
}

function requireWhole(where: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw bad(where, value, `use a whole number from ${min} to ${max}`);
}

function requireBetween(where: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) throw bad(where, value, `use a number from ${min} to ${max}`);
}

function bad(where: string, value: unknown, fix: string): SanderlingError {
  return new SanderlingError('INVALID_CONFIG', `${shown(value)} is no ${where} of a stream`, {
    where: `stream.${where}`,
    fix,
  });
}
