// How a window of a table differs from a reference: column by column, by a method that fits type, cardinality and size, corrected for
// the number of columns. Works on profiles alone.
import { SanderlingError } from '@sanderling/kit';
import { ksPValue } from '../kolmogorov.ts';
import { driftScore } from '../score.ts';
import {
  chiSquareTest,
  corrected,
  jensenShannonDistance,
  kolmogorovDistance,
  populationStability,
  wassersteinDistance,
} from './distances.ts';
import type { ColumnProfile, ColumnType, Profile } from './profile.ts';
import { quantile, shareBelow, type Distribution } from './quantile-sketch.ts';

/** How a column may be compared. */
export const methods = ['ks', 'chi-square', 'wasserstein', 'jensen-shannon', 'psi'] as const;
export type Method = (typeof methods)[number];

/** Settings of a report. */
export interface ReportOptions {
  /** Method for columns by name; others are chosen. */
  readonly methods?: Readonly<Record<string, Method>>;
  /** Level for the p-values, after correction. @default 0.05 */
  readonly alpha?: number;
  /** @default 'benjamini-hochberg' */
  readonly correction?: 'benjamini-hochberg' | 'bonferroni' | 'none';
  /** Distance from which a column has drifted. @default wasserstein 0.1 deviations, jensen-shannon 0.1, psi 0.2 */
  readonly thresholds?: Readonly<Partial<Record<'wasserstein' | 'jensen-shannon' | 'psi', number>>>;
  /** Share of drifted columns from which the table has drifted. @default 0.5 */
  readonly share?: number;
}

/** Bars of a column in reference and window, as shares of the samples. */
export interface Bars {
  readonly labels: readonly string[];
  readonly reference: readonly number[];
  readonly window: readonly number[];
}

/** What was found in a column. */
export interface ColumnReport {
  readonly name: string;
  readonly type: ColumnType;
  readonly method: Method | 'none';
  /** Why this method. */
  readonly reason: string;
  /** Statistic of the method: distance, or χ². */
  readonly statistic: number;
  /** p-value after correction; null for a distance. */
  readonly p: number | null;
  /** Level or distance that decides. */
  readonly threshold: number;
  readonly drift: boolean;
  /** driftScore of distance/threshold, or of ln p/ln alpha; at least 0.7 exactly when `drift`. */
  readonly score: number;
  /** Share of missing cells. */
  readonly missing: { readonly reference: number; readonly window: number };
  readonly bars: Bars;
}

/** A whole report: plain JSON. */
export interface DriftReport {
  readonly format: 'sanderling-drift-report/1';
  readonly rows: { readonly reference: number; readonly window: number };
  readonly columns: readonly ColumnReport[];
  readonly drifted: number;
  readonly share: number;
  readonly drift: boolean;
  /** driftScore of share/threshold. */
  readonly score: number;
}

interface Finding {
  readonly statistic: number;
  /** Before correction. */
  readonly p: number | null;
}

/** Samples up to which p-values decide: with more, trifles become significant. */
const manySamples = 1000;
/** Distinct values up to which a numeric column is compared like a category. */
const fewDistinct = 5;
const barCount = 20;
const stabilityBins = 10;
const defaultThresholds = { wasserstein: 0.1, 'jensen-shannon': 0.1, psi: 0.2 } as const;

/** Each method on two profiles of a column. */
const rules = {
  ks: (a, b) => {
    const statistic = kolmogorovDistance(distributionOf(a), distributionOf(b));
    return { statistic, p: ksPValue(statistic, a.n, b.n) };
  },
  'chi-square': (a, b) => {
    const { statistic, p } = chiSquareTest(...pairedCounts(a, b));
    return { statistic, p };
  },
  wasserstein: (a, b) => {
    const distance = wassersteinDistance(distributionOf(a), distributionOf(b));
    return {
      statistic: distance === 0 ? 0 : distance / Math.max(a.deviation, 1e-12 * Math.max(1, Math.abs(a.mean))),
      p: null,
    };
  },
  'jensen-shannon': (a, b) => ({ statistic: jensenShannonDistance(...binnedCounts(a, b)), p: null }),
  psi: (a, b) => ({ statistic: populationStability(...binnedCounts(a, b)), p: null }),
} as const satisfies Record<Method, (reference: ColumnProfile, window: ColumnProfile) => Finding>;

/**
 * Compares a window with a reference.
 * @throws INVALID_ARGUMENT when the columns differ; TOO_LITTLE_DATA when a side has no rows; INVALID_CONFIG for a bad setting.
 */
export function driftReport(reference: Profile, window: Profile, options: ReportOptions = {}): DriftReport {
  checkInput(reference, window, options);
  const found = reference.columns.map((column, i) => findingOf(column, window.columns[i] as ColumnProfile, options));
  const tested = found.filter(({ p }) => p !== null);
  const ps = corrected(
    tested.map(({ p }) => p as number),
    options.correction ?? 'benjamini-hochberg',
  );
  const byName = new Map(tested.map(({ name }, i) => [name, ps[i] as number]));
  const columns = found.map((finding) => judged(finding, byName.get(finding.name) ?? null, options));
  const drifted = columns.filter(({ drift }) => drift).length;
  const share = drifted / columns.length;
  const limit = options.share ?? 0.5;
  return {
    format: 'sanderling-drift-report/1',
    rows: { reference: reference.rows, window: window.rows },
    columns,
    drifted,
    share,
    drift: share >= limit,
    score: driftScore(share / limit),
  };
}

type Undecided = Omit<ColumnReport, 'threshold' | 'drift' | 'score'>;

function findingOf(a: ColumnProfile, b: ColumnProfile, options: ReportOptions): Undecided {
  const empty = a.n === 0 || b.n === 0;
  const { method, reason } = empty
    ? { method: 'none' as const, reason: 'no values on one side' }
    : chosen(a, b, options);
  const { statistic, p } = method === 'none' ? { statistic: a.n === b.n ? 0 : 1, p: null } : rules[method](a, b);
  const missing = { reference: missingShare(a), window: missingShare(b) };
  return { name: a.name, type: a.type, method, reason, statistic, p, missing, bars: empty ? noBars : barsOf(a, b) };
}

const noBars: Bars = { labels: [], reference: [], window: [] };

function chosen(
  a: ColumnProfile,
  b: ColumnProfile,
  options: ReportOptions,
): { readonly method: Method; readonly reason: string } {
  const asked = options.methods?.[a.name];
  if (asked !== undefined) return { method: asked, reason: 'asked for' };
  const distinct = Math.max(distinctOf(a), distinctOf(b));
  const many = a.n > manySamples;
  if (a.type === 'numeric' && distinct > fewDistinct) {
    return many
      ? { method: 'wasserstein', reason: `numeric, more than ${manySamples} reference values` }
      : { method: 'ks', reason: `numeric, up to ${manySamples} reference values` };
  }
  const kind = a.type === 'numeric' ? `numeric with up to ${fewDistinct} values` : 'categorical';
  return many
    ? { method: 'jensen-shannon', reason: `${kind}, more than ${manySamples} reference values` }
    : { method: 'chi-square', reason: `${kind}, up to ${manySamples} reference values` };
}

function judged(finding: Undecided, p: number | null, options: ReportOptions): ColumnReport {
  const { method, statistic } = finding;
  if (method === 'none')
    return { ...finding, p: null, threshold: 1, drift: statistic >= 1, score: driftScore(statistic) };
  if (p !== null) {
    const alpha = options.alpha ?? 0.05;
    const drift = p <= alpha;
    const ratio = p === 0 ? Infinity : Math.log(p) / Math.log(alpha);
    return {
      ...finding,
      p,
      threshold: alpha,
      drift,
      score: driftScore(drift ? Math.max(1, ratio) : Math.min(ratio, justBelow)),
    };
  }
  const distance = method as keyof typeof defaultThresholds;
  const threshold = options.thresholds?.[distance] ?? defaultThresholds[distance];
  return { ...finding, p: null, threshold, drift: statistic >= threshold, score: driftScore(statistic / threshold) };
}

const justBelow = 1 - 1e-9;

function distinctOf(column: ColumnProfile): number {
  return column.counts?.size ?? Infinity;
}

function missingShare({ n, missing }: ColumnProfile): number {
  return n + missing === 0 ? 0 : missing / (n + missing);
}

function distributionOf(column: ColumnProfile): Distribution {
  if (column.sketch !== undefined) return column.sketch.distribution();
  throw new SanderlingError('INVALID_CONFIG', `column ${column.name} is categorical; its values have no order`, {
    where: `methods.${column.name}`,
    fix: 'use chi-square, jensen-shannon or psi',
  });
}

/** Counts of both sides over the categories of either. */
function pairedCounts(a: ColumnProfile, b: ColumnProfile): [number[], number[]] {
  const [left, right] = [a.counts, b.counts];
  if (left === undefined || right === undefined) return binnedCounts(a, b);
  const names = [...new Set([...left.keys(), ...right.keys()])];
  return [
    [...names.map((name) => left.get(name) ?? 0), a.other],
    [...names.map((name) => right.get(name) ?? 0), b.other],
  ];
}

/** Counts by category, or in bins of equal shares of the reference. */
function binnedCounts(a: ColumnProfile, b: ColumnProfile): [number[], number[]] {
  if (a.counts !== undefined && b.counts !== undefined) return pairedCounts(a, b);
  const [x, y] = [distributionOf(a), distributionOf(b)];
  const edges = [...new Set(Array.from({ length: stabilityBins - 1 }, (_, i) => quantile(x, (i + 1) / stabilityBins)))];
  return [countsBetween(x, edges, a.n), countsBetween(y, edges, b.n)];
}

function countsBetween(distribution: Distribution, edges: readonly number[], n: number): number[] {
  const below = [0, ...edges.map((edge) => shareBelow(distribution, edge)), 1];
  return below.slice(1).map((share, i) => (share - (below[i] as number)) * n);
}

function barsOf(a: ColumnProfile, b: ColumnProfile): Bars {
  if (a.sketch === undefined || b.sketch === undefined || (a.counts !== undefined && b.counts !== undefined))
    return categoryBars(a, b);
  const low = Math.min(a.sketch.min, b.sketch.min);
  const high = Math.max(a.sketch.max, b.sketch.max);
  const edges = Array.from({ length: barCount - 1 }, (_, i) => low + ((i + 1) * (high - low)) / barCount);
  const shares = (column: ColumnProfile): number[] => countsBetween(distributionOf(column), edges, 1);
  const labels = [low, ...edges].map((edge) => edge.toPrecision(4));
  return { labels, reference: shares(a), window: shares(b) };
}

function categoryBars(a: ColumnProfile, b: ColumnProfile): Bars {
  const [left, right] = [a.counts ?? new Map<string, number>(), b.counts ?? new Map<string, number>()];
  const weight = (name: string): number => (left.get(name) ?? 0) / a.n + (right.get(name) ?? 0) / b.n;
  const ordered = [...new Set([...left.keys(), ...right.keys()])].sort((x, y) => weight(y) - weight(x));
  const kept = ordered.slice(0, barCount - 1);
  const names = a.type === 'numeric' ? kept.sort((x, y) => Number(x) - Number(y)) : kept;
  const listed = (counts: ReadonlyMap<string, number>, n: number): number[] =>
    names.map((name) => (counts.get(name) ?? 0) / n);
  const rest = (shares: readonly number[]): number => Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
  const [reference, window] = [listed(left, a.n), listed(right, b.n)];
  const [otherReference, otherWindow] = [rest(reference), rest(window)];
  if (otherReference < 1e-9 && otherWindow < 1e-9) return { labels: names, reference, window };
  return { labels: [...names, 'other'], reference: [...reference, otherReference], window: [...window, otherWindow] };
}

function checkInput(reference: Profile, window: Profile, options: ReportOptions): void {
  const same =
    reference.columns.length === window.columns.length &&
    reference.columns.every(
      ({ name, type }, i) => window.columns[i]?.name === name && window.columns[i]?.type === type,
    );
  if (!same)
    throw new SanderlingError('INVALID_ARGUMENT', 'reference and window have different columns', { where: 'window' });
  for (const [where, { rows }] of [
    ['reference', reference],
    ['window', window],
  ] as const) {
    if (rows === 0) throw new SanderlingError('TOO_LITTLE_DATA', `the ${where} has no rows`, { where });
  }
  checkOptions(reference, options);
}

function checkOptions(
  reference: Profile,
  { methods: asked = {}, alpha = 0.05, share = 0.5, thresholds = {} }: ReportOptions,
): void {
  const known = new Set(reference.columns.map(({ name }) => name));
  for (const [name, method] of Object.entries(asked)) {
    if (known.has(name) && methods.includes(method)) continue;
    throw new SanderlingError('INVALID_CONFIG', `no such column or method: ${name}, ${method}`, {
      where: `methods.${name}`,
      fix: `use ${methods.join(', ')}`,
    });
  }
  const positive = Object.values(thresholds).every((threshold) => threshold > 0);
  if (alpha > 0 && alpha < 1 && share > 0 && share <= 1 && positive) return;
  throw new SanderlingError('INVALID_CONFIG', 'alpha and share lie between 0 and 1, thresholds above 0', {
    where: 'options',
  });
}
