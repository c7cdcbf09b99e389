// Families of concepts as one table: each draws a labelled vector from a list of numbers, so that one concept can be blended into
// another by blending the numbers. Labels are 0 or 1; families without labels give 0.
import type { Random } from '@sanderling/kit';

/** One family. */
export interface ConceptFamily {
  readonly features: (asked: number) => number;
  /** Whether the label means something: a model can be trained on it. */
  readonly labelled: boolean;
  readonly source: string;
  /** Numbers of concept `index` (0, 1, 2 …). `magnitude` scales what changes from one to the next. */
  readonly parameters: (
    index: number,
    features: number,
    about: { readonly magnitude: number; readonly random: Random },
  ) => number[];
  /** Draws a vector into `out`. @returns its label. */
  readonly draw: (parameters: readonly number[], random: Random, out: Float64Array) => number;
}

const seaThresholds = [8, 9, 7, 9.5];
const two = (): number => 2;
const three = (): number => 3;
const asked = (features: number): number => features;

/** Share of each of several rules: concept `index` is rule `index`. */
function oneOf(index: number, rules: number): number[] {
  return Array.from({ length: rules }, (_, i) => Number(i === index % rules));
}

/** The rule that the shares pick: while one concept is blended into another, each is right part of the time. */
function pickRule(shares: readonly number[], random: Random): number {
  let at = random.next();
  for (const [rule, share] of shares.entries()) {
    at -= share;
    if (at < 0) return rule;
  }
  return shares.length - 1;
}

const staggerRules: readonly ((size: number, colour: number, shape: number) => boolean)[] = [
  (size, colour) => size === 0 && colour === 0,
  (_size, colour, shape) => colour === 1 || shape === 1,
  (size) => size > 0,
];

const sineRules: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => y < Math.sin(x),
  (x, y) => y >= Math.sin(x),
  (x, y) => y < 0.5 + 0.3 * Math.sin(3 * Math.PI * x),
  (x, y) => y >= 0.5 + 0.3 * Math.sin(3 * Math.PI * x),
];

const centroids = 10;

/** Every family by name. */
export const concepts = {
  sea: {
    features: three,
    labelled: true,
    source: 'Street & Kim, KDD 2001',
    parameters: (index, _features, { magnitude }) => [8 + magnitude * ((seaThresholds[index % 4] as number) - 8)],
    draw: ([threshold], random, out) => {
      for (let j = 0; j < 3; j++) out[j] = random.uniform(0, 10);
      return Number((out[0] as number) + (out[1] as number) <= (threshold as number));
    },
  },
  stagger: {
    features: three,
    labelled: true,
    source: 'Schlimmer & Granger, Machine Learning 1986',
    parameters: (index) => oneOf(index, 3),
    draw: (shares, random, out) => {
      for (let j = 0; j < 3; j++) out[j] = random.int(0, 2);
      const rule = staggerRules[pickRule(shares, random)] as (typeof staggerRules)[number];
      return Number(rule(out[0] as number, out[1] as number, out[2] as number));
    },
  },
  hyperplane: {
    features: asked,
    labelled: true,
    source: 'Hulten, Spencer & Domingos, KDD 2001',
    parameters: (_index, features, { random }) => Array.from({ length: features }, () => random.next()),
    draw: (weights, random, out) => {
      let sum = 0;
      let total = 0;
      for (let j = 0; j < out.length; j++) {
        out[j] = random.next();
        sum += (out[j] as number) * (weights[j] as number);
        total += weights[j] as number;
      }
      return Number(sum >= total / 2);
    },
  },
  rbf: {
    features: asked,
    labelled: true,
    source: 'random radial basis functions as in MOA, Bifet et al., JMLR 2010',
    parameters: (_index, features, { random }) => Array.from({ length: centroids * features }, () => random.next()),
    draw: (places, random, out) => {
      const centre = random.int(0, centroids - 1);
      for (let j = 0; j < out.length; j++)
        out[j] = (places[centre * out.length + j] as number) + 0.08 * random.normal();
      return centre % 2;
    },
  },
  sine: {
    features: two,
    labelled: true,
    source: 'Gama et al., SBIA 2004',
    parameters: (index) => oneOf(index, 4),
    draw: (shares, random, out) => {
      out[0] = random.next();
      out[1] = random.next();
      const rule = sineRules[pickRule(shares, random)] as (typeof sineRules)[number];
      return Number(rule(out[0], out[1]));
    },
  },
  mean: {
    features: asked,
    labelled: false,
    source: 'normal features; the mean of the first half moves on by the magnitude each time',
    parameters: (index, _features, { magnitude }) => [magnitude * index],
    draw: ([shift], random, out) => {
      for (let j = 0; j < out.length; j++)
        out[j] = random.normal() + (j <= (out.length - 1) / 2 ? (shift as number) : 0);
      return 0;
    },
  },
  variance: {
    features: asked,
    labelled: false,
    source: 'normal features; the deviation of the first half grows',
    parameters: (index, _features, { magnitude }) => [1 + magnitude * (index % 2)],
    draw: ([deviation], random, out) => {
      for (let j = 0; j < out.length; j++)
        out[j] = random.normal() * (j <= (out.length - 1) / 2 ? (deviation as number) : 1);
      return 0;
    },
  },
  correlation: {
    features: asked,
    labelled: false,
    source: 'normal features with one common part; its sign turns, means and deviations stay',
    parameters: (index, _features, { magnitude }) => [Math.min(0.95, 0.8 * magnitude) * (index % 2 === 0 ? 1 : -1)],
    draw: ([correlation], random, out) => {
      const rho = correlation as number;
      const common = random.normal();
      for (let j = 0; j < out.length; j++) {
        const side = j % 2 === 0 ? 1 : Math.sign(rho);
        out[j] = side * Math.sqrt(Math.abs(rho)) * common + Math.sqrt(1 - Math.abs(rho)) * random.normal();
      }
      return 0;
    },
  },
  errors: {
    features: () => 1,
    labelled: false,
    source: 'errors of a model: the chance of a 1 grows from 0.2 by 0.3 · magnitude',
    parameters: (index, _features, { magnitude }) => [Math.min(1, 0.2 + 0.3 * magnitude * (index % 2))],
    draw: ([rate], random, out) => {
      out[0] = Number(random.next() < (rate as number));
      return 0;
    },
  },
} as const satisfies Record<string, ConceptFamily>;

/** A name in {@link concepts}. */
export type ConceptName = keyof typeof concepts;

/** The names in {@link concepts}. */
export const conceptNames = Object.keys(concepts) as readonly ConceptName[];
