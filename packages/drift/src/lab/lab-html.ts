// The lab's report as one HTML page that needs nothing else.
import { alarmPlot, costPlot, escaped, scatterPlot, type Dot } from './lab-plots.ts';
import {
  arlLegend,
  byStream,
  cells,
  described,
  headings,
  legend,
  runLength,
  searchHeadings,
  searchRows,
  searchText,
  spread,
  type LabReport,
  type NamedSearch,
} from './lab-report.ts';
import type { FrontPoint } from './search-detector.ts';
import { dominates, frontOf, type LabSummary } from './summary.ts';

/** The report as HTML: for each stream delay against false alarms, the alarms over time and the table; then cost, run lengths, searches. */
export function labHtml(report: LabReport, title = 'Drift lab', about?: string): string {
  const streams = byStream(report).map(({ rows, ...stream }) => {
    const results = report.results.filter((result) => result.stream === stream.name);
    const body = `${streamScatter(rows)}${alarmPlot(stream, results)}${table(headings, rows.map(cells))}`;
    return section(stream.name, described(stream, rows), body);
  });
  const arl = report.runLengths.map(({ stream, detector, ...run }) => [detector, stream, runLength(run)]);
  const runs =
    arl.length === 0 ? '' : section('Run length without drift', arlLegend, table(['Detector', 'Stream', 'ARL0'], arl));
  const cost = section('Cost', 'Median over the streams; logarithmic scales.', costPlot(costsOf(report.summaries)));
  const intro = about === undefined ? '' : `<p>${escaped(about)}</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body><h1>${escaped(title)}</h1>${intro}<p>${legend}</p>
${[...streams, cost, runs, ...report.searches.map(searchSection)].join('\n')}
</body></html>
`;
}

function section(heading: string, text: string, body: string): string {
  return `<section><h2>${escaped(heading)}</h2><p>${escaped(text)}</p>${body}</section>`;
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (texts: readonly string[], tag: 'th' | 'td'): string =>
    `<tr>${texts.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${row(head, 'th')}</thead><tbody>${lines.map((line) => row(line, 'td')).join('\n')}</tbody></table>`;
}

function streamScatter(rows: readonly LabSummary[]): string {
  const front = frontOf(rows);
  const dots = rows.flatMap((row): Dot[] => {
    if (row.delay === null) return [];
    const text = `${row.detector}: MTD ${spread(row.mtd, 0)}, MDR ${spread(row.mdr, 2)}, FD/1000 ${row.fdPer1000.median.toFixed(2)}`;
    return [
      {
        label: row.detector,
        text,
        x: row.delay.median,
        y: row.fdPer1000.median,
        front: front.includes(row),
        hollow: row.baseline,
      },
    ];
  });
  return scatterPlot(dots);
}

function searchSection({ name, report }: NamedSearch): string {
  const at = ([delay = 0, mdr = 0, fd = 0]: readonly number[]): Pick<Dot, 'x' | 'y' | 'text'> => ({
    x: delay,
    y: fd,
    text: `delay ${delay.toFixed(0)}, MDR ${mdr.toFixed(2)}, FD/1000 ${fd.toFixed(2)}`,
  });
  // Points that no other beats on what the search has not seen, in the two goals of the plot, are joined.
  const plane = ({ heldOut }: FrontPoint): readonly number[] => [heldOut[0] ?? 0, heldOut[2] ?? 0];
  const points = report.front.map((point): Dot => {
    const front = !report.front.some((other) => dominates(plane(other), plane(point)));
    return { ...at(point.heldOut), label: point === report.knee ? 'proposed' : '', front, hollow: false };
  });
  const defaults: Dot = { ...at(report.defaults), label: 'defaults', front: false, hollow: true };
  const body = `${scatterPlot([...points, defaults])}${table(searchHeadings, searchRows(report))}`;
  return section(`Search: ${name}`, searchText(report), body);
}

function costsOf(summaries: readonly LabSummary[]): readonly { name: string; ns: number; bytes: number }[] {
  const detectors = Map.groupBy(
    summaries.filter(({ baseline }) => !baseline),
    ({ detector }) => detector,
  );
  const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
  return [...detectors].map(([name, rows]) => ({
    name,
    ns: middle(rows.map(({ nsPerSample }) => nsPerSample)),
    bytes: middle(rows.map(({ bytes }) => bytes)),
  }));
}

const style = `
:root{color-scheme:light dark;--text:light-dark(#1c2430,#e6eaf0);--line:light-dark(#d9dee6,#39424f);--page:light-dark(#fff,#161b22);--dot:light-dark(#0b6bcb,#58a6ff);--false:light-dark(#b4261c,#ff8a80);--band:light-dark(#dcefe0,#1e3a29)}
body{font:15px/1.45 system-ui,sans-serif;color:var(--text);background:var(--page);margin:2rem auto;max-width:72rem;padding:0 1rem}
section{margin:2rem 0;overflow-x:auto}table{border-collapse:collapse;min-width:100%}th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;white-space:nowrap}
th:first-child,td:first-child{text-align:left}svg{width:min(100%,48rem);display:block;font-size:12px;margin:.5rem 0}svg text{fill:var(--text)}
.axis{fill:none;stroke:var(--line)}.dot{fill:var(--dot);stroke:var(--dot)}.hollow{fill:none}.front{stroke:var(--text);stroke-width:2}.step{fill:none;stroke:var(--dot);stroke-dasharray:4 3}
.found{stroke:var(--dot);stroke-width:2}.false{stroke:var(--false);stroke-width:1}.band{fill:var(--band)}.drift{stroke:var(--text);stroke-dasharray:2 2}.bar{fill:var(--dot)}
`;
