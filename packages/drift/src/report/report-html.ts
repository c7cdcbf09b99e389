// A drift report as one HTML page that needs nothing else: a table, and for each column the bars of reference and window.
import type { Bars, ColumnReport, DriftReport } from './drift-report.ts';

/** The page. Light and dark by the reader's setting; all text from the data is escaped. */
export function reportHtml(report: DriftReport, title = 'Drift report'): string {
  const columns = report.columns.toSorted((a, b) => b.score - a.score);
  const verdict = report.drift ? 'drift' : 'no drift';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p class="summary"><b class="${report.drift ? 'bad' : 'good'}">${verdict}</b>: ${report.drifted} of ${report.columns.length} columns drifted
(score ${fixed(report.score)}); ${report.rows.window.toLocaleString('en')} rows against ${report.rows.reference.toLocaleString('en')} of the reference.</p>
<p class="legend"><span class="key reference"></span> reference <span class="key window"></span> window</p>
<table>
<thead><tr><th>Column</th><th>Score</th><th>Verdict</th><th>Method</th><th>Statistic</th><th>Missing</th><th>Distribution</th></tr></thead>
<tbody>
${columns.map(row).join('\n')}
</tbody>
</table>
</body>
</html>
`;
}

function row(column: ColumnReport): string {
  const { name, score, drift, method, reason, statistic, p, threshold, missing, bars } = column;
  const value = p === null ? `${number(statistic)} / ${number(threshold)}` : `p = ${number(p)} / ${number(threshold)}`;
  const gaps = `${percent(missing.reference)} → ${percent(missing.window)}`;
  return `<tr><th scope="row">${escaped(name)}</th><td>${fixed(score)}</td><td class="${drift ? 'bad' : 'good'}">${drift ? 'drift' : 'steady'}</td>
<td title="${escaped(reason)}">${method}</td><td>${value}</td><td>${gaps}</td><td>${plot(name, bars)}</td></tr>`;
}

const width = 320;
const height = 80;
const footer = 14;

/** Paired bars as SVG; each bar tells its numbers on hover. */
function plot(name: string, { labels, reference, window }: Bars): string {
  if (labels.length === 0) return '';
  const top = Math.max(...reference, ...window, 1e-12);
  const slot = width / labels.length;
  const bar = (share: number, x: number, kind: string): string => {
    const tall = (share / top) * height;
    return `<rect class="${kind}" x="${x.toFixed(2)}" y="${(height - tall).toFixed(2)}" width="${(slot * 0.42).toFixed(2)}" height="${tall.toFixed(2)}"/>`;
  };
  const groups = labels.map((label, i) => {
    const [a, b] = [reference[i] as number, window[i] as number];
    const text = `<title>${escaped(label)}: reference ${percent(a)}, window ${percent(b)}</title>`;
    return `<g>${text}${bar(a, i * slot, 'reference')}${bar(b, i * slot + slot * 0.45, 'window')}</g>`;
  });
  return `<svg viewBox="0 0 ${width} ${height + footer}" role="img" aria-label="distribution of ${escaped(name)}">${groups.join('')}${axis(labels)}</svg>`;
}

/** Names under the bars while there are few; else the lower edges of the first and the last bar. */
function axis(labels: readonly string[]): string {
  const slot = width / labels.length;
  const text = (label: string, x: number, anchor: string): string => {
    const short = label.length > 12 ? `${label.slice(0, 11)}…` : label;
    return `<text x="${x.toFixed(1)}" y="${height + footer - 3}" text-anchor="${anchor}">${escaped(short)}</text>`;
  };
  if (labels.length <= 6) return labels.map((label, i) => text(label, (i + 0.45) * slot, 'middle')).join('');
  return text(labels[0] as string, 0, 'start') + text(labels.at(-1) as string, width, 'end');
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

function fixed(value: number): string {
  return value.toFixed(2);
}

function number(value: number): string {
  return value === 0 ? '0' : Number(value.toPrecision(3)).toString();
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

const style = `
:root{color-scheme:light dark;--text:light-dark(#1c2430,#e6eaf0);--line:light-dark(#d9dee6,#39424f);--page:light-dark(#fff,#161b22);
--reference:light-dark(#8a97a8,#6f7d90);--window:light-dark(#0b6bcb,#58a6ff);--bad:light-dark(#b3261e,#ff8a80);--good:light-dark(#1a7f37,#56d364)}
body{font:15px/1.45 system-ui,sans-serif;color:var(--text);background:var(--page);margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid var(--line);vertical-align:middle;font-variant-numeric:tabular-nums}
tbody th{font-weight:600;overflow-wrap:break-word;max-width:14rem}td{white-space:nowrap}svg{width:20rem;max-width:100%;display:block;font-size:11px}svg text{fill:var(--text)}
rect.reference,.key.reference{fill:var(--reference);background:var(--reference)}rect.window,.key.window{fill:var(--window);background:var(--window)}
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-left:.6rem}.bad{color:var(--bad)}.good{color:var(--good)}
@media(max-width:50rem){table,tbody,tr,td,th{display:block;border:0;padding:.15rem 0}thead{display:none}tr{border-bottom:1px solid var(--line);padding:.6rem 0}}
`;
