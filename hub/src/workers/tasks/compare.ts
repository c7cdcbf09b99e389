// A candidate against the champion on the candidate's test windows. Each sees the readings through its own preprocessing; both are judged
// at the same target times, up to the shorter of their reaches, by a paired moving-block bootstrap.
import { SanderlingError } from '@sanderling/kit';
import { leastRows, pairedBootstrap } from '@sanderling/metrics';
import { rowTime, type ForecastMatrix, type Grid, type Preprocessing } from '@sanderling/series';
import type { TaskContext } from '../serve.ts';
import { encodingOf, gridOf, type Columns } from './columns.ts';
import { cutWindows } from './cut-windows.ts';
import type { Prepared } from './prepare.ts';
import { Forecaster, type ModelInput } from './run-model.ts';

/** Two models and the task of the first. */
export interface CompareInput {
  readonly prepared: Prepared;
  readonly candidate: ModelInput;
  readonly champion: ModelInput;
  readonly confidence: number;
}

/** How the candidate did against the champion. Errors are mean absolute ones, in the unit of the data. */
export interface ChampionComparison {
  readonly candidateMae: number;
  readonly championMae: number;
  /** (candidate − champion) / champion: below zero the candidate is better. */
  readonly relative: number;
  /** Ends of the interval of `relative`. */
  readonly low: number;
  readonly high: number;
  readonly windows: number;
}

/** One model's forecasts by the time of the last row that each was made from. */
interface Forecasts {
  readonly grid: Grid;
  readonly preprocessing: Preprocessing;
  readonly matrix: ForecastMatrix;
  /** Row of the grid → row of the matrix. */
  readonly at: ReadonlyMap<number, number>;
}

/** @throws TOO_LITTLE_DATA when fewer than 8 windows can be judged by both */
export async function compare(input: CompareInput, context: TaskContext): Promise<ChampionComparison> {
  const columns = context.columns(input.prepared.data);
  const { candidate, champion } = input;
  const grid = gridOf(columns, candidate.preprocessing);
  const { test } = cutWindows(grid, input.prepared, candidate.preprocessing.window);
  const lastRows = test.map((start) => start + candidate.preprocessing.window - 1);
  const ours = await forecastsAt(candidate, columns, lastRows);
  const theirs = await forecastsAt(
    champion,
    columns,
    lastRows.map((row) => sameMoment(ours, champion, columns, row)),
  );
  const errors = pairedErrors(ours, theirs, lastRows);
  if (errors.ours.length < leastRows)
    throw new SanderlingError(
      'TOO_LITTLE_DATA',
      `only ${errors.ours.length} test windows can be forecast by both models, ${leastRows} are needed`,
    );
  return judge(errors, input);
}

function judge(
  errors: { readonly ours: number[]; readonly theirs: number[] },
  { prepared, confidence }: CompareInput,
): ChampionComparison {
  const count = errors.ours.length;
  // Windows that share target rows have errors alike: a block is at least as long as the horizon.
  const blockLength = Math.max(
    1,
    Math.min(Math.max(prepared.horizon, Math.round(Math.cbrt(count))), Math.floor(count / 4)),
  );
  const result = pairedBootstrap(errors.ours, errors.theirs, { confidence, blockLength, seed: prepared.data });
  const scale = result.b === 0 ? Number.EPSILON : result.b;
  return {
    candidateMae: result.a,
    championMae: result.b,
    relative: result.relativeDifference ?? result.difference / scale,
    low: result.relativeLow ?? result.low / scale,
    high: result.relativeHigh ?? result.high / scale,
    windows: count,
  };
}

/** The model's forecasts from each of these last rows of its own grid, as far as its window is whole there. */
async function forecastsAt(model: ModelInput, columns: Columns, lastRows: Int32Array): Promise<Forecasts> {
  const { preprocessing } = model;
  const grid = gridOf(columns, preprocessing);
  const encoded = encodingOf(grid, preprocessing);
  const rows = [...new Set(lastRows)].filter((row) => isWhole(grid, row, preprocessing.window));
  await using forecaster = await Forecaster.open(model);
  const starts = Int32Array.from(rows, (row) => row - preprocessing.window + 1);
  const matrix = await forecaster.runWindows(encoded, starts);
  return { grid, preprocessing, matrix, at: new Map(rows.map((row, i) => [row, i])) };
}

function isWhole({ values }: Grid, last: number, window: number): boolean {
  if (last < window - 1 || last >= values.length) return false;
  for (let row = last - window + 1; row <= last; row++) if (Number.isNaN(values[row]!)) return false;
  return true;
}

/** The champion's newest row that needs no reading behind those of our row: cells end half a step after their time. */
function sameMoment(ours: Forecasts, champion: ModelInput, columns: Columns, row: number): number {
  const end = rowTime(ours.grid, row) + ours.grid.stepMs / 2;
  const grid = gridOf(columns, champion.preprocessing);
  return Math.floor((end - grid.stepMs / 2 - grid.start) / grid.stepMs + 1e-9);
}

function pairedErrors(ours: Forecasts, theirs: Forecasts, lastRows: Int32Array): { ours: number[]; theirs: number[] } {
  const errors = { ours: [] as number[], theirs: [] as number[] };
  const sums = { ours: 0, theirs: 0 };
  for (const row of lastRows) {
    const index = ours.at.get(row);
    if (index === undefined) continue;
    let count = 0;
    sums.ours = sums.theirs = 0;
    for (let h = 1; h <= ours.preprocessing.horizon; h++) {
      const rival = forecastFor(theirs, rowTime(ours.grid, row + h), rowTime(ours.grid, row) + ours.grid.stepMs / 2);
      const actual = ours.grid.values[row + h]!;
      if (rival === undefined || Number.isNaN(actual)) continue;
      sums.ours += Math.abs(ours.matrix.values[index * ours.preprocessing.horizon + h - 1]! - actual);
      sums.theirs += Math.abs(rival - actual);
      count++;
    }
    if (count === 0) continue;
    errors.ours.push(sums.ours / count);
    errors.theirs.push(sums.theirs / count);
  }
  return errors;
}

/** The model's forecast for a time, made from what was known at `end`: between two of its rows on the line through them; undefined out of its reach. */
function forecastFor({ grid, preprocessing, matrix, at }: Forecasts, time: number, end: number): number | undefined {
  const last = Math.floor((end - grid.stepMs / 2 - grid.start) / grid.stepMs + 1e-9);
  const index = at.get(last);
  if (index === undefined) return undefined;
  const ahead = (time - grid.start) / grid.stepMs - last;
  if (ahead < 0 || ahead > preprocessing.horizon + 1e-9) return undefined;
  const value = (step: number): number =>
    step === 0 ? grid.values[last]! : matrix.values[index * preprocessing.horizon + step - 1]!;
  const below = Math.min(Math.floor(ahead + 1e-9), preprocessing.horizon);
  const share = Math.max(0, ahead - below);
  return share < 1e-9 ? value(below) : value(below) + share * (value(below + 1) - value(below));
}
