// The quality of a dataset, judged beside the hub's own thread when there is much to judge.
import { Worker } from 'node:worker_threads';
import type { Quality } from '@sanderling/wire';
import type { QualityOptions } from '@sanderling/series';
import { judge } from './judge.ts';

/** A series to judge: rows in the order of time with their arrival numbers. */
export interface SeriesToJudge {
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Grows with arrival. */
  readonly arrivals: Float64Array;
  readonly options: QualityOptions;
}

/** Rows that are judged on the hub's own thread: some ten milliseconds of work. */
const smallSeries = 10_000;

/** Rows that are judged at most, the newest: the checks hold every reading as an object, some hundred bytes each. */
const mostRows = 250_000;

/** The quality report of a series. */
export async function judgeQuality(series: SeriesToJudge): Promise<Quality> {
  const rows = series.times.length;
  if (rows <= mostRows) return judgeAll(series);
  const from = rows - mostRows;
  const { times, values, arrivals, options } = series;
  const newest = { times: times.slice(from), values: values.slice(from), arrivals: arrivals.slice(from), options };
  const { reason, ...quality } = await judgeAll(newest);
  return { ...quality, rows, reason: `the newest ${mostRows} of ${rows} rows were judged: ${reason}` };
}

async function judgeAll(series: SeriesToJudge): Promise<Quality> {
  if (series.times.length <= smallSeries) return judge(series);
  const worker = new Worker(new URL('./quality-worker.ts', import.meta.url), { workerData: series });
  return new Promise<Quality>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the quality worker ended with ${code}`)));
  });
}
