// Plots of the lab's page as inline SVG: delay against false alarms with the Pareto front, alarms over time, cost.
import type { ReportStream } from './lab-report.ts';
import type { LabResult } from './run-task.ts';

/** A detector or a set of options in the plane of delay and false alarms. */
export interface Dot {
  /** Beside the dot; empty for none. */
  readonly label: string;
  /** Shown when pointed at. */
  readonly text: string;
  /** Samples until found. */
  readonly x: number;
  /** False alarms per 1,000. */
  readonly y: number;
  /** Whether it is on the front, which is drawn as a line where it has two or more. */
  readonly front: boolean;
  readonly hollow: boolean;
}

const plane = { width: 640, height: 300, left: 56, bottom: 40, top: 12, right: 120 } as const;

/** Delay (right is later) against false alarms (up is more), both on logarithmic scales of 1 + value. */
export function scatterPlot(dots: readonly Dot[]): string {
  if (dots.length === 0) return '';
  const [farthest, highest] = [
    Math.max(1, ...dots.map(({ x }) => Math.log10(1 + x))),
    Math.max(0.3, ...dots.map(({ y }) => Math.log10(1 + y))),
  ];
  const x = (value: number): number =>
    plane.left + (Math.log10(1 + value) / farthest) * (plane.width - plane.left - plane.right);
  const y = (value: number): number =>
    plane.height - plane.bottom - (Math.log10(1 + value) / highest) * (plane.height - plane.bottom - plane.top);
  const placed: Box[] = dots.map((dot) => ({ left: x(dot.x) - 5, top: y(dot.y) + 4, width: 10 }));
  const marks = dots.map((dot) => {
    const [cx, cy] = [x(dot.x), y(dot.y)];
    const kind = `dot${dot.hollow ? ' hollow' : ''}${dot.front ? ' front' : ''}`;
    const circle = `<circle class="${kind}" cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="4"/>`;
    if (dot.label === '') return `<g><title>${escaped(dot.text)}</title>${circle}</g>`;
    const label = freePlace({ left: cx + 8, top: cy + 4, width: 7 * dot.label.length }, placed);
    placed.push(label);
    return `<g><title>${escaped(dot.text)}</title>${circle}<text x="${label.left.toFixed(1)}" y="${label.top.toFixed(1)}">${escaped(dot.label)}</text></g>`;
  });
  const along = [0, 1, 10, 100, 1000, 10_000].filter((value) => Math.log10(1 + value) <= farthest);
  const up = [0, 1, 10, 100, 1000].filter((value) => Math.log10(1 + value) <= highest);
  const ticks = [
    ...along.map((value) => textAt([x(value), plane.height - plane.bottom + 16], 'middle', String(value))),
    ...up.map((value) => textAt([plane.left - 6, y(value) + 4], 'end', String(value))),
  ];
  const axes = `<path class="axis" d="M${plane.left} ${plane.top}V${plane.height - plane.bottom}H${plane.width - plane.right}"/>`;
  const below = textAt(
    [(plane.left + plane.width - plane.right) / 2, plane.height - 6],
    'middle',
    'samples until found, missed drifts at the end of their window',
  );
  const beside = `<text transform="translate(14 ${plane.height / 2}) rotate(-90)" text-anchor="middle">false alarms per 1,000</text>`;
  const line = frontLine(dots, x, y);
  return `<svg viewBox="0 0 ${plane.width} ${plane.height}" role="img" aria-label="delay against false alarms">${axes}${below}${beside}${ticks.join('')}${line}${marks.join('')}</svg>`;
}

/** Stairs along the front: what lies right of and above them is beaten by one of its points. */
function frontLine(dots: readonly Dot[], x: (value: number) => number, y: (value: number) => number): string {
  const [first, ...rest] = dots.filter(({ front }) => front).toSorted((a, b) => a.x - b.x || b.y - a.y);
  if (first === undefined || rest.length === 0) return '';
  const steps = rest.map((dot) => `H${x(dot.x).toFixed(1)}V${y(dot.y).toFixed(1)}`);
  return `<path class="step" d="M${x(first.x).toFixed(1)} ${y(first.y).toFixed(1)}${steps.join('')}"><title>Pareto front</title></path>`;
}

const strip = { width: 760, left: 170, right: 12, row: 15, top: 8, bottom: 24 } as const;

/** Alarms over time, one line a detector, of the first seed: those that found a drift, and false ones; drifts as bands or dashes. */
export function alarmPlot(stream: ReportStream, results: readonly LabResult[]): string {
  const first = results[0];
  if (first === undefined || stream.length === 0) return '';
  const rows = results.filter(({ seed }) => seed === first.seed);
  const scale = (strip.width - strip.left - strip.right) / stream.length;
  const x = (sample: number): string => (strip.left + sample * scale).toFixed(1);
  const height = strip.top + rows.length * strip.row + strip.bottom;
  const foot = height - strip.bottom;
  const bands = (stream.drifts ?? []).map(({ start, end }) => {
    const band = `<rect class="band" x="${x(start)}" y="${strip.top}" width="${((end - start) * scale).toFixed(1)}" height="${foot - strip.top}"/>`;
    return `${band}<path class="drift" d="M${x(start)} ${strip.top}V${foot}"/>`;
  });
  const lines = rows.map((result, i) => {
    const top = strip.top + i * strip.row;
    const name = textAt([strip.left - 8, top + 12], 'end', result.detector);
    const found = new Set(result.foundAt);
    const marks = (kind: 'found' | 'false', alarms: readonly number[]): string => {
      const path = [...new Set(alarms.map(x))].map((at) => `M${at} ${top + 3}v${strip.row - 5}`).join('');
      return path === '' ? '' : `<path class="${kind}" d="${path}"/>`;
    };
    const mistaken = result.alarmsAt.filter((at) => !found.has(at));
    return `<g>${name}${marks('false', mistaken)}${marks('found', result.foundAt)}</g>`;
  });
  const axis = `<path class="axis" d="M${strip.left} ${foot}H${strip.width - strip.right}"/>`;
  const ends = `${textAt([strip.left, foot + 16], 'start', '0')}${textAt([strip.width - strip.right, foot + 16], 'end', `${stream.length} samples`)}`;
  const key = textAt([strip.left + 60, foot + 16], 'start', 'alarms of one run: thick found a drift, thin false');
  return `<svg viewBox="0 0 ${strip.width} ${height}" role="img" aria-label="alarms over time">${bands.join('')}${axis}${lines.join('')}${ends}${key}</svg>`;
}

/** Two bars a detector: time and memory, logarithmic. */
export function costPlot(
  costs: readonly { readonly name: string; readonly ns: number; readonly bytes: number }[],
): string {
  if (costs.length === 0) return '';
  const half = 270;
  const most = {
    ns: Math.max(10, ...costs.map(({ ns }) => ns)),
    bytes: Math.max(10, ...costs.map(({ bytes }) => bytes)),
  };
  const bar = (kind: 'ns' | 'bytes', value: number, [left, top]: readonly [number, number]): string => {
    const width = (Math.log10(1 + value) / Math.log10(1 + most[kind])) * (half - 80);
    const text = kind === 'ns' ? `${value.toFixed(0)} ns` : `${value} B`;
    return `<rect class="bar" x="${left}" y="${top + 3}" width="${width.toFixed(1)}" height="9"/>${textAt([left + width + 6, top + 12], 'start', text)}`;
  };
  const lines = costs.map(({ name, ns, bytes }, i) => {
    const top = strip.top + i * strip.row;
    return `<g>${textAt([strip.left - 8, top + 12], 'end', name)}${bar('ns', ns, [strip.left, top])}${bar('bytes', bytes, [strip.left + half + 20, top])}</g>`;
  });
  const height = strip.top * 2 + costs.length * strip.row;
  return `<svg viewBox="0 0 ${strip.width} ${height}" role="img" aria-label="time and memory of a sample">${lines.join('')}</svg>`;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
}

const lineHeight = 13;

/** Where a label hits no other and no dot: moved up line by line. */
function freePlace(box: Box, placed: readonly Box[]): Box {
  const hits = ({ left, top, width }: Box, other: Box): boolean =>
    left < other.left + other.width && other.left < left + width && Math.abs(top - other.top) < lineHeight;
  let place = box;
  while (placed.some((other) => hits(place, other))) place = { ...place, top: place.top - lineHeight };
  return place;
}

function textAt([x, y]: readonly [number, number], anchor: 'start' | 'middle' | 'end', text: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

/** Text that is safe in HTML. */
export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}
