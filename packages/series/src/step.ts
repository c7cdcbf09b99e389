// Choosing a series' step and phase: the median interval, rounded to a step that people use, made coarser until the cells fill.
import { cellOf, hourMs, minuteMs, secondMs, type Lattice } from './reading.ts';

/** Steps that divide a day evenly and that people use, milliseconds. */
export const sensibleSteps: readonly number[] = [
  [1, 2, 5, 10, 20, 50, 100, 200, 500],
  [1, 2, 5, 10, 15, 20, 30].map((n) => n * secondMs),
  [1, 2, 5, 10, 15, 20, 30].map((n) => n * minuteMs),
  [1, 2, 3, 4, 6, 8, 12, 24].map((n) => n * hourMs),
].flat();

/** A series is thinned to about this many rows: more would train for minutes and forecast no better. */
const denseRows = 60_000;
const wantedFill = 0.9;
/**
 * Series read every five minutes or more often are thinned to this: over minutes a room changes less than its sensor's noise, and forecasts
 * reach further (measured in `bench/results/series-accuracy.md`). Not below `usefulRows` rows, and not what is read more than once a second.
 */
const usefulStepMs = 15 * minuteMs;
const usefulRows = 600;

/** What the choice of a step is made from. */
export interface StepFacts {
  readonly stepMs: number;
  /** Median of the positive intervals between neighbours, milliseconds. */
  readonly medianIntervalMs: number;
  /** Share of cells with a reading, outages (≥ 20 median intervals) left out. */
  readonly fill: number;
}

/**
 * The step for ordered, distinct times (milliseconds). With fewer than two times: one minute.
 * Irregular sampling gets a coarser step, until 90 % of the cells between outages hold a reading; so does very dense data.
 */
export function chooseStep(times: Float64Array): StepFacts {
  const medianIntervalMs = medianInterval(times);
  if (!(medianIntervalMs > 0)) return { stepMs: minuteMs, medianIntervalMs: minuteMs, fill: 1 };
  const from = sensibleSteps.indexOf(usefulStep(times, medianIntervalMs));
  let best: StepFacts | undefined;
  for (const stepMs of sensibleSteps.slice(from)) {
    const { filled, cells } = countCells(times, stepMs, 20 * Math.max(stepMs, medianIntervalMs));
    const facts = { stepMs, medianIntervalMs, fill: filled / cells };
    if (best === undefined || (cells > denseRows && facts.fill > 0.5) || best.fill < wantedFill) best = facts;
    if (best.fill >= wantedFill && cells <= denseRows) return best;
    if (cells < 100) break;
  }
  return best ?? { stepMs: minuteMs, medianIntervalMs, fill: 1 };
}

/** The nearest step to the interval, or a coarser one up to {@link usefulStepMs} that leaves enough rows. */
function usefulStep(times: Float64Array, intervalMs: number): number {
  const nearest = nearestStep(intervalMs);
  if (nearest < secondMs || nearest > usefulStepMs / 3) return nearest;
  const coarser = sensibleSteps.filter((step) => step > nearest && step <= usefulStepMs);
  const lasting = coarser.filter((step) => countCells(times, step, 20 * step).filled >= usefulRows);
  return lasting[lasting.length - 1] ?? nearest;
}

/** The sensible step nearest to an interval by ratio. */
export function nearestStep(intervalMs: number): number {
  let best = sensibleSteps[0]!;
  for (const step of sensibleSteps) {
    if (Math.abs(Math.log(step / intervalMs)) < Math.abs(Math.log(best / intervalMs))) best = step;
  }
  return best;
}

/** Median of the positive differences between neighbours; NaN when there is none. Looks at 100,000 evenly spread pairs at most. */
export function medianInterval(times: Float64Array): number {
  const stride = Math.max(1, Math.ceil(times.length / 100_000));
  const intervals: number[] = [];
  for (let i = 1; i < times.length; i += stride) {
    const interval = times[i]! - times[i - 1]!;
    if (interval > 0) intervals.push(interval);
  }
  if (intervals.length === 0) return Number.NaN;
  const sorted = Float64Array.from(intervals).sort();
  return sorted[sorted.length >> 1]!;
}

/**
 * The phase of a series on its step: where its times sit when they cluster (mean direction on the circle, Mardia & Jupp 2000),
 * so that jitter does not throw neighbours into one cell; 0 when they do not cluster or sit near 0.
 */
export function choosePhase(times: Float64Array, stepMs: number): number {
  if (times.length === 0) return 0;
  const stride = Math.max(1, Math.ceil(times.length / 100_000));
  let sine = 0;
  let cosine = 0;
  let count = 0;
  for (let i = 0; i < times.length; i += stride) {
    const angle = (2 * Math.PI * (times[i]! % stepMs)) / stepMs;
    sine += Math.sin(angle);
    cosine += Math.cos(angle);
    count++;
  }
  const clustered = Math.hypot(sine, cosine) / count > 0.7;
  const turn = Math.atan2(sine, cosine) / (2 * Math.PI);
  if (!clustered || Math.abs(turn) < 0.125) return 0;
  return Math.round((turn < 0 ? turn + 1 : turn) * stepMs) % stepMs;
}

function countCells(times: Float64Array, stepMs: number, outageMs: number): { filled: number; cells: number } {
  const lattice: Lattice = { stepMs, offsetMs: choosePhase(times, stepMs) };
  let filled = 1;
  let cells = 1;
  let last = cellOf(times[0]!, lattice);
  for (let i = 1; i < times.length; i++) {
    const cell = cellOf(times[i]!, lattice);
    if (cell === last) continue;
    filled++;
    cells += times[i]! - times[i - 1]! > outageMs ? 1 : cell - last;
    last = cell;
  }
  return { filled, cells };
}
