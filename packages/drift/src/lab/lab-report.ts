// The lab's report as data and as Markdown; `labHtml` shows the same as a page with plots.
import type { DriftPoint } from '../streams/stream.ts';
import { driftsOf, type LabConfig } from './config.ts';
import type { LabResult } from './run-task.ts';
import type { FrontPoint, SearchReport } from './search-detector.ts';
import { frontOf, summarise, type LabSummary, type Spread } from './summary.ts';

/** A stream of the report. */
export interface ReportStream {
  readonly name: string;
  readonly length: number;
  /** Null where nobody knows them. */
  readonly drifts: readonly DriftPoint[] | null;
}

/** Samples from one alarm to the next where nothing drifts: the average run length, over all seeds. */
export interface RunLength {
  readonly stream: string;
  readonly detector: string;
  readonly arl0: number;
  /** Whether there was no alarm: the run length is only a lower bound. */
  readonly atLeast: boolean;
}

/** A search's report with the name of the entry that was searched. */
export interface NamedSearch {
  readonly name: string;
  readonly report: SearchReport;
}

/** Results and what they come to: plain JSON. */
export interface LabReport {
  readonly format: 'sanderling-drift-lab/2';
  readonly streams: readonly ReportStream[];
  readonly summaries: readonly LabSummary[];
  /** For the streams that are known to be steady. */
  readonly runLengths: readonly RunLength[];
  readonly searches: readonly NamedSearch[];
  readonly results: readonly LabResult[];
}

/** The report of a lab. @throws INVALID_CONFIG */
export function labReport(
  results: readonly LabResult[],
  config: LabConfig,
  searches: readonly NamedSearch[] = [],
): LabReport {
  const streams = config.streams.map((stream) => ({
    name: stream.name,
    length: results.find((result) => result.stream === stream.name)?.samples ?? 0,
    drifts: driftsOf(stream) ?? null,
  }));
  const steady = streams.filter(({ drifts }) => drifts?.length === 0).map(({ name }) => name);
  return {
    format: 'sanderling-drift-lab/2',
    streams,
    summaries: summarise(results),
    runLengths: steady.flatMap((name) => runLengthsOf(results.filter(({ stream }) => stream === name))),
    searches,
    results,
  };
}

function runLengthsOf(results: readonly LabResult[]): readonly RunLength[] {
  return [...Map.groupBy(results, ({ detector }) => detector)].map(([detector, own]) => {
    const samples = own.reduce((sum, result) => sum + result.samples, 0);
    const alarms = own.reduce((sum, { metrics }) => sum + metrics.alarms, 0);
    const stream = (own[0] as LabResult).stream;
    return { stream, detector, arl0: samples / Math.max(1, alarms), atLeast: alarms === 0 };
  });
}

/** Columns of a stream's table. */
export const headings = [
  'Detector',
  'MTD',
  'MDR',
  'Delay',
  'FD',
  'FD/1000',
  'MTFA',
  'MTR',
  'Accuracy',
  'ns/sample',
  'bytes',
] as const;

/** What the columns mean. */
export const legend =
  'Medians over the seeds, quartiles in brackets. MTD: mean samples until a drift was found. MDR: share of drifts not found. ' +
  'Delay: as MTD, but a drift that was missed counts as found at the end of its acceptance window. FD: false alarms. ' +
  'MTFA: mean samples between false alarms (≥ the length: fewer than two). Read MTD only beside FD: an alarm at every sample has MTD 0. ' +
  '◆: no other detector has both a shorter delay and fewer false alarms.';

/** The report as Markdown, one table a stream. */
export function labMarkdown(report: LabReport, title = 'Drift lab', about?: string): string {
  const tables = byStream(report).map(({ name, rows, ...stream }) => {
    const front = frontOf(rows);
    const lines = rows.map((row) => {
      const [detector, ...rest] = cells(row);
      return [front.includes(row) ? `${detector} ◆` : detector, ...rest];
    });
    return `## ${name}\n\n${described(stream, rows)}\n\n${markdownTable(headings, lines)}`;
  });
  const searches = report.searches.map(
    ({ name, report: own }) =>
      `## Search: ${name}\n\n${searchText(own)}\n\n${markdownTable(searchHeadings, searchRows(own))}`,
  );
  const runs = report.runLengths.length === 0 ? [] : [`## Run length without drift\n\n${arlLegend}\n\n${arl(report)}`];
  const head = [`# ${title}`, ...(about === undefined ? [] : [about]), legend];
  return `${[...head, ...tables, ...runs, ...searches].join('\n\n')}\n`;
}

/** What ARL0 is. */
export const arlLegend =
  'ARL0: samples from one false alarm to the next on streams that do not drift, over all seeds; ≥ where there was no alarm.';

function arl({ runLengths }: LabReport): string {
  const lines = runLengths.map(({ stream, detector, ...run }) => [detector, stream, runLength(run)]);
  return markdownTable(['Detector', 'Stream', 'ARL0'], lines);
}

/** A run length as text. */
export function runLength({ arl0, atLeast }: Pick<RunLength, 'arl0' | 'atLeast'>): string {
  return `${atLeast ? '≥ ' : ''}${arl0.toFixed(0)}`;
}

function markdownTable(head: readonly string[], lines: readonly (readonly (string | undefined)[])[]): string {
  const row = (texts: readonly (string | undefined)[]): string => `| ${texts.join(' | ')} |`;
  return `${row(head)}\n|---|${'---:|'.repeat(head.length - 1)}\n${lines.map(row).join('\n')}`;
}

/** Streams with their rows, in order. */
export function byStream(report: LabReport): readonly (ReportStream & { readonly rows: readonly LabSummary[] })[] {
  return report.streams
    .map((stream) => ({ ...stream, rows: report.summaries.filter((row) => row.stream === stream.name) }))
    .filter(({ rows }) => rows.length > 0);
}

/** A stream in words. */
export function described(stream: Omit<ReportStream, 'name'>, rows: readonly LabSummary[]): string {
  const seeds = Math.max(...rows.map((row) => row.seeds));
  const drifts = stream.drifts === null ? 'drift points unknown' : `${stream.drifts.length} drifts`;
  return `${stream.length} samples, ${drifts}, ${seeds === 1 ? 'one run' : `${seeds} seeds`}`;
}

/** A row's cells in the order of {@link headings}. */
export function cells(row: LabSummary): readonly string[] {
  return [
    row.detector,
    spread(row.mtd, 0),
    spread(row.mdr, 2),
    spread(row.delay, 0),
    spread(row.fd, 0),
    row.fdPer1000.median.toFixed(2),
    `${row.mtfaAtLeast ? '≥ ' : ''}${row.mtfa.median.toFixed(0)}`,
    spread(row.mtr, 0),
    spread(row.accuracy, 3),
    row.nsPerSample.toFixed(0),
    String(row.bytes),
  ];
}

/** Median and quartiles as text. */
export function spread(value: Spread | null, digits: number): string {
  if (value === null) return '–';
  const { q25, median, q75 } = value;
  const range = q25 === q75 ? '' : ` [${q25.toFixed(digits)}, ${q75.toFixed(digits)}]`;
  return `${median.toFixed(digits)}${range}`;
}

/** Columns of a search's table. */
export const searchHeadings = ['Options', 'Delay', 'MDR', 'FD/1000', 'unseen: delay', 'MDR', 'FD/1000'] as const;

/** A search in words. */
export function searchText({ tried, refused, front, hypervolume, reference }: SearchReport): string {
  const share =
    hypervolume === null ? '' : `; hypervolume ${(100 * hypervolume).toFixed(1)} % up to ${reference.join(', ')}`;
  return (
    `${tried} sets of options tried${refused === 0 ? '' : `, ${refused} refused`}; front of ${front.length}${share}. ` +
    'Proposed (★): the point nearest to no cost at all, goals in shares of the reference. Unseen: streams or seeds that the search did not use.'
  );
}

/** Most points of a front that are printed. */
const shownPoints = 10;

/** Defaults, the proposal, and points spread evenly over the front from the fewest false alarms to the most. */
export function searchRows({ front, knee, defaults }: SearchReport): readonly (readonly string[])[] {
  const ordered = front.toSorted((a, b) => (a.costs[2] as number) - (b.costs[2] as number));
  const step = Math.max(1, (ordered.length - 1) / (shownPoints - 1));
  const places = Array.from({ length: Math.min(shownPoints, ordered.length) }, (_, i) => Math.round(i * step));
  const shown = new Set(places.map((place) => ordered[place] as FrontPoint));
  const proposed = knee === null ? [] : [pointRow(knee, '★ ')];
  // Options that differ only in digits that are not printed stand once.
  const rows = new Map([...shown].map((point) => [pointRow(point, '★ ').join(), pointRow(point, '')]));
  proposed.forEach((row) => rows.delete(row.join()));
  return [['defaults', '', '', '', ...costTexts(defaults)], ...proposed, ...rows.values()];
}

function pointRow({ options, costs, heldOut }: FrontPoint, mark: string): readonly string[] {
  const text = Object.entries(options).map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`);
  return [`${mark}${text.join(', ')}`, ...costTexts(costs), ...costTexts(heldOut)];
}

function costTexts(costs: readonly number[]): readonly string[] {
  return costs.map((cost, i) => cost.toFixed(i === 0 ? 0 : 2));
}
