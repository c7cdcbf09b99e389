// The references of LSDD and MMD: the map of a vector, its mean over the reference, the form of the statistic and the threshold.
import { createRandom } from '@sanderling/kit';
import { upperQuantile } from './quantiles.ts';
import {
  inverse,
  meanOf,
  medianSquaredDistance,
  multiply,
  quadraticForm,
  rowOf,
  squaredDistance,
  standardised,
  standardOf,
  take,
  type Standard,
  type Table,
} from './rows.ts';

type Options = Readonly<Record<string, number>>;

/** What a device needs of a reference. `tables`: those of the map, by the name that the C text has for them. */
export interface MeanMapFit {
  readonly standard: Standard;
  readonly size: number;
  readonly tables: Readonly<Record<string, Float64Array>>;
  readonly numbers: Readonly<Record<string, number>>;
  readonly mean: Float64Array;
  readonly threshold: number;
}

/** Splits of the reference from which the threshold is estimated. */
const trials = 400;

export function fitMmd(reference: Table, options: Options): MeanMapFit {
  const features = options['features']!;
  const random = createRandom(options['seed']!, 'mmd');
  const standard = standardOf(reference);
  const scaled = standardised(reference, standard);
  const { d } = reference;
  const width = Math.sqrt(medianSquaredDistance(scaled, random) / 2);
  const directions = Float64Array.from({ length: features * d }, () => random.normal() / width);
  const phases = Float64Array.from({ length: features }, () => random.uniform(0, 2 * Math.PI));
  const maps = mapped(scaled, features, (row, k) => {
    let angle = phases[k]!;
    for (let j = 0; j < d; j++) angle += directions[k * d + j]! * row[j]!;
    return Math.SQRT2 * Math.cos(angle) * (1 / Math.sqrt(features));
  });
  const threshold = thresholdOf(maps, undefined, options);
  const numbers = { ROOT_2: Math.SQRT2, SHARE: 1 / Math.sqrt(features) };
  return { standard, size: features, tables: { directions, phases }, numbers, mean: meanOf(maps), threshold };
}

export function fitLsdd(reference: Table, options: Options): MeanMapFit {
  const size = Math.min(options['centres']!, options['referenceSize']!);
  const random = createRandom(options['seed']!, 'lsdd');
  const standard = standardOf(reference);
  const scaled = standardised(reference, standard);
  const indices = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
  const centres = take(scaled, indices.slice(0, size));
  const spread = medianSquaredDistance(scaled, random);
  const kernel = (a: Float64Array, b: Float64Array, scale: number): number => Math.exp(-squaredDistance(a, b) / scale);
  const gram = Float64Array.from({ length: size * size }, (_, i) =>
    kernel(rowOf(centres, Math.floor(i / size)), rowOf(centres, i % size), 2 * spread),
  );
  const maps = mapped(scaled, size, (row, l) => kernel(row, rowOf(centres, l), spread));
  const form = formOf(gram, size, drawnDifferences(maps, options['windowSize']!, options['seed']!));
  const tables = { centres: centres.values, form };
  return {
    standard,
    size,
    tables,
    numbers: { SPREAD: spread },
    mean: meanOf(maps),
    threshold: thresholdOf(maps, form, options),
  };
}

function mapped(scaled: Table, size: number, map: (row: Float64Array, k: number) => number): Table {
  const values = new Float64Array(scaled.n * size);
  for (let i = 0; i < scaled.n; i++) for (let k = 0; k < size; k++) values[i * size + k] = map(rowOf(scaled, i), k);
  return { n: scaled.n, d: size, values };
}

/** 2H⁻¹ − H⁻¹·G·H⁻¹ with the largest damping that changes the estimate on drift-free windows by less than a fifth. */
function formOf(gram: Float64Array, n: number, differences: readonly Float64Array[]): Float64Array {
  for (let power = 0; ; power++) {
    const lambda = 4 ** -power;
    const damped = inverse(
      gram.map((x, i) => (i % (n + 1) === 0 ? x + lambda : x)),
      n,
    );
    const sandwich = multiply(multiply(damped, gram, n), damped, n);
    const plain = differences.reduce((sum, h) => sum + quadraticForm(damped, h), 0);
    const inner = differences.reduce((sum, h) => sum + quadraticForm(sandwich, h), 0);
    if (power === 11 || Math.abs(plain - inner) < 0.2 * plain) return damped.map((x, i) => 2 * x - sandwich[i]!);
  }
}

function thresholdOf(maps: Table, form: Float64Array | undefined, options: Options): number {
  const windowSize = options['windowSize']!;
  const scale = 1 + windowSize / maps.n;
  const drawn = drawnDifferences(maps, windowSize, options['seed']! + 1);
  return upperQuantile(
    drawn.map((v) => scale * quadraticForm(form, v)),
    options['alpha']!,
  );
}

/** Mean of a random window of the reference less the reference's mean, many times. */
function drawnDifferences(maps: Table, windowSize: number, seed: number): readonly Float64Array[] {
  const random = createRandom(seed, 'mean-map');
  const mean = meanOf(maps);
  return Array.from({ length: trials }, () => {
    const sums = new Float64Array(maps.d);
    for (let i = 0; i < windowSize; i++) {
      const at = (random.uint32() % maps.n) * maps.d;
      for (let k = 0; k < maps.d; k++) sums[k]! += maps.values[at + k]!;
    }
    return sums.map((sum, k) => sum / windowSize - mean[k]!);
  });
}
