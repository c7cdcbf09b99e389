// The lab's report: Markdown, and one HTML page with plots that needs nothing else. JSON is the results and summaries themselves.
import type { LabResult } from './run-task.ts';
import { summarise, type LabSummary, type Spread } from './summary.ts';

/** Results and what they come to: plain JSON. */
export interface LabReport {
  readonly format: 'sanderling-drift-lab/1';
  readonly summaries: readonly LabSummary[];
  readonly results: readonly LabResult[];
}

/** The report of a lab. */
export function labReport(results: readonly LabResult[]): LabReport {
  return { format: 'sanderling-drift-lab/1', summaries: summarise(results), results };
}

const head = ['Detector', 'MTD', 'MDR', 'FD', 'FD/1000', 'MTFA', 'MTR', 'Accuracy', 'ns/sample', 'bytes'] as const;

const legend =
  'Medians over the seeds, quartiles in brackets. MTD: mean samples until a drift was found. MDR: share of drifts not found. ' +
  'FD: false alarms. MTFA: mean samples between false alarms (≥: fewer than two). Read MTD only beside FD: an alarm at every sample has MTD 0.';

/** The report as Markdown, one table a stream. */
export function labMarkdown(report: LabReport, title = 'Drift lab'): string {
  const tables = byStream(report).map(([stream, rows]) => {
    const { seeds, drifts } = rows[0] as LabSummary;
    const lines = rows.map((row) => `| ${cells(row).join(' | ')} |`);
    return `## ${stream}\n\n${drifts} drifts, up to ${seeds} seeds\n\n| ${head.join(' | ')} |\n|---|${'---:|'.repeat(head.length - 1)}\n${lines.join('\n')}\n`;
  });
  return `# ${title}\n\n${legend}\n\n${tables.join('\n')}`;
}

/** The report as HTML: tables, and for each stream delay against false alarms, one dot a detector. */
export function labHtml(report: LabReport, title = 'Drift lab'): string {
  const sections = byStream(report).map(([stream, rows]) => {
    const header = head.map((name) => `<th>${name}</th>`).join('');
    const body = rows
      .map(
        (row) =>
          `<tr>${cells(row)
            .map((cell) => `<td>${escaped(cell)}</td>`)
            .join('')}</tr>`,
      )
      .join('\n');
    return `<section><h2>${escaped(stream)}</h2>${scatter(rows)}<table><thead><tr>${header}</tr></thead><tbody>${body}</tbody></table></section>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body><h1>${escaped(title)}</h1><p>${legend}</p>
${sections.join('\n')}
</body></html>
`;
}

function byStream(report: LabReport): [string, LabSummary[]][] {
  return [...Map.groupBy(report.summaries, ({ stream }) => stream)];
}

function cells(row: LabSummary): string[] {
  const limit = row.mtfaAtLeast ? '≥ ' : '';
  return [
    row.detector,
    spread(row.mtd, 0),
    spread(row.mdr, 2),
    spread(row.fd, 0),
    row.fdPer1000.median.toFixed(2),
    `${limit}${row.mtfa.median.toFixed(0)}`,
    spread(row.mtr, 0),
    spread(row.accuracy, 3),
    row.nsPerSample.toFixed(0),
    String(row.bytes),
  ];
}

function spread(value: Spread | null, digits: number): string {
  if (value === null) return '–';
  const { q25, median, q75 } = value;
  const range = q25 === q75 ? '' : ` [${q25.toFixed(digits)}, ${q75.toFixed(digits)}]`;
  return `${median.toFixed(digits)}${range}`;
}

const plot = { width: 640, height: 300, left: 56, bottom: 40, top: 12, right: 120 } as const;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
}

const lineHeight = 13;

/** Where a label hits no other: moved up line by line. */
function freePlace(box: Box, placed: readonly Box[]): Box {
  const hits = ({ left, top, width }: Box, other: Box): boolean =>
    left < other.left + other.width && other.left < left + width && Math.abs(top - other.top) < lineHeight;
  let place = box;
  while (placed.some((other) => hits(place, other))) place = { ...place, top: place.top - lineHeight };
  return place;
}

/** Delay (right is later) against false alarms per 1,000 (up is more), both on logarithmic scales of 1 + value. */
function scatter(rows: readonly LabSummary[]): string {
  const dots = rows.filter(({ mtd }) => mtd !== null);
  if (dots.length === 0) return '';
  const delay = ({ mtd }: LabSummary): number => Math.log10(1 + (mtd as Spread).median);
  const noise = ({ fdPer1000 }: LabSummary): number => Math.log10(1 + fdPer1000.median);
  const [farthest, highest] = [Math.max(1, ...dots.map(delay)), Math.max(0.3, ...dots.map(noise))];
  const x = (value: number): number => plot.left + (value / farthest) * (plot.width - plot.left - plot.right);
  const y = (value: number): number =>
    plot.height - plot.bottom - (value / highest) * (plot.height - plot.bottom - plot.top);
  const placed: Box[] = [];
  const marks = dots.map((row) => {
    const [cx, cy] = [x(delay(row)), y(noise(row))];
    const text = `${row.detector}: MTD ${spread(row.mtd, 0)}, FD/1000 ${row.fdPer1000.median.toFixed(2)}, MDR ${spread(row.mdr, 2)}`;
    const opacity = (1 - 0.8 * (row.mdr?.median ?? 0)).toFixed(2);
    const label = freePlace({ left: cx + 8, top: cy + 4, width: 7 * row.detector.length }, placed);
    placed.push(label);
    const name = `<text x="${label.left.toFixed(1)}" y="${label.top.toFixed(1)}">${escaped(row.detector)}</text>`;
    return `<g><title>${escaped(text)}</title><circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="5" fill-opacity="${opacity}"/>${name}</g>`;
  });
  const ticks = [0, 1, 10, 100, 1000, 10_000].filter((value) => Math.log10(1 + value) <= farthest);
  const below = ticks.map(
    (value) =>
      `<text x="${x(Math.log10(1 + value)).toFixed(1)}" y="${plot.height - plot.bottom + 16}" text-anchor="middle">${value}</text>`,
  );
  const axes = `<path d="M${plot.left} ${plot.top}V${plot.height - plot.bottom}H${plot.width - plot.right}"/>`;
  const names = `<text x="${(plot.left + plot.width - plot.right) / 2}" y="${plot.height - 6}" text-anchor="middle">samples until found (faint: many missed)</text><text transform="translate(14 ${plot.height / 2}) rotate(-90)" text-anchor="middle">false alarms per 1,000</text>`;
  const sides = [0, 1, 10, 100].filter((value) => Math.log10(1 + value) <= highest);
  const left = sides.map(
    (value) =>
      `<text x="${plot.left - 6}" y="${(y(Math.log10(1 + value)) + 4).toFixed(1)}" text-anchor="end">${value}</text>`,
  );
  return `<svg viewBox="0 0 ${plot.width} ${plot.height}" role="img" aria-label="delay against false alarms">${axes}${names}${below.join('')}${left.join('')}${marks.join('')}</svg>`;
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

const style = `
:root{color-scheme:light dark;--text:light-dark(#1c2430,#e6eaf0);--line:light-dark(#d9dee6,#39424f);--page:light-dark(#fff,#161b22);--dot:light-dark(#0b6bcb,#58a6ff)}
body{font:15px/1.45 system-ui,sans-serif;color:var(--text);background:var(--page);margin:2rem auto;max-width:72rem;padding:0 1rem}
section{margin:2rem 0;overflow-x:auto}table{border-collapse:collapse;min-width:100%}th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;white-space:nowrap}
th:first-child,td:first-child{text-align:left}svg{width:min(100%,44rem);display:block;font-size:12px}svg text{fill:var(--text)}svg path{fill:none;stroke:var(--line)}svg circle{fill:var(--dot)}
`;
