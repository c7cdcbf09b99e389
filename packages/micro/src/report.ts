// What a generated model costs: per layer and in all.
import type { QuantisationReport } from '@sanderling/onnx';
import { estimatedInstructions } from './cost.ts';
import { elementTypes, type Layer, type Program } from './ir.ts';
import type { MemoryPlan } from './memory/plan.ts';
import type { Written } from './emit/files.ts';
import { workOf } from './emit/layers.ts';

/**
 * One layer. `cycles`: estimated by counted instructions for each multiply-accumulate and element, see cost.ts; `constantBytes`: what it reads of the flash;
 * `liveBytes`: tensors in the arena while it runs; `free`: costs no code.
 */
export interface LayerReport {
  readonly index: number;
  readonly name: string;
  readonly operator: string;
  readonly output: readonly number[];
  readonly macs: number;
  readonly cycles: number;
  readonly constantBytes: number;
  readonly liveBytes: number;
  readonly free: boolean;
}

/**
 * The whole model; bytes. `boundBytes`: the largest sum of tensors and scratch that are live at once when the layers run in their order (each rounded up to 8),
 * below which no arena can be.
 */
export interface Report {
  readonly name: string;
  readonly layers: readonly LayerReport[];
  readonly macs: number;
  /** Estimated, the sum over layers. */
  readonly cycles: number;
  readonly arenaBytes: number;
  readonly boundBytes: number;
  readonly stateBytes: number;
  /** Constants in flash, without code. */
  readonly constantBytes: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

export function reportOf(program: Program, plan: MemoryPlan, written: Written): Report {
  const layers = program.layers.map(
    (layer): LayerReport => ({
      index: layer.index,
      name: layer.name,
      operator: layer.operator,
      output: layer.outputs.find((value) => value !== undefined)?.dims ?? [],
      macs: workOf(layer),
      cycles: plan.free.has(layer) ? 0 : estimatedInstructions(layer, workOf(layer)),
      constantBytes: written.layerConstantBytes.get(layer) ?? 0,
      liveBytes: liveAt(layer, plan),
      free: plan.free.has(layer),
    }),
  );
  const { inputs, outputs, states } = written.face;
  const size = (ports: typeof inputs): number =>
    ports.reduce((sum, { dtype, count }) => sum + count * elementTypes[dtype].bytes, 0);
  return Object.freeze({
    name: program.name,
    layers,
    macs: layers.reduce((sum, { macs }) => sum + macs, 0),
    cycles: layers.reduce((sum, { cycles }) => sum + cycles, 0),
    arenaBytes: plan.arenaBytes,
    boundBytes: plan.boundBytes,
    stateBytes: size(states),
    constantBytes: written.constantBytes,
    inputBytes: size(inputs),
    outputBytes: size(outputs),
  });
}

function liveAt({ index }: Layer, { offsetOf }: MemoryPlan): number {
  return [...offsetOf.keys()]
    .filter(({ first, last }) => first <= index && index <= last)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * The report as a Markdown table with columns of one width. `quality`: what `quantiseWithin` says of the layers, which then stands beside them:
 * signal to quantisation noise at the outputs with the layer alone in 8 bits, and at the layer with all of them.
 */
export function reportText(report: Report, quality?: QuantisationReport): string {
  const judged = new Map(quality?.layers.map((layer) => [layer.name === '' ? layer.value : layer.name, layer]));
  const decibels = (value: number | undefined): string =>
    value === undefined ? '' : value === Infinity ? 'exact' : value.toFixed(1);
  const rows = report.layers.map((layer) => {
    const { index, name, operator, output, macs, cycles, constantBytes, liveBytes, free } = layer;
    const found = judged.get(name);
    const numbers = [macs, cycles, constantBytes, liveBytes].map(String);
    const noise = quality ? [decibels(found?.aloneDecibels), decibels(found?.cumulativeDecibels)] : [];
    const remark = free ? 'free' : found?.float === true ? 'float' : '';
    return [String(index), cell(name), operator, output.join('×') || 'scalar', ...numbers, ...noise, remark];
  });
  const noiseTitles = quality ? ['SQNR alone (dB)', 'SQNR (dB)'] : [];
  const titles = ['#', 'layer', 'operator', 'output', 'MACs', 'cycles', 'flash (B)', 'live (B)', ...noiseTitles, ''];
  const ratio = report.boundBytes === 0 ? 1 : report.arenaBytes / report.boundBytes;
  return [
    ...alignedTable(titles, rows),
    '',
    `RAM: ${report.arenaBytes} B of arena (${ratio.toFixed(2)} of the lower bound ${report.boundBytes} B), ${report.stateBytes} B of state, ${report.inputBytes} B in, ${report.outputBytes} B out.`,
    `Flash: ${report.constantBytes} B of constants, code not included. Work: ${report.macs} multiply-accumulates, about ${report.cycles} cycles (instructions as counted on a Cortex-M7, one a cycle).`,
    ...(quality
      ? [`Quantisation: the outputs are off by ${(100 * quality.relativeError).toFixed(2)} % (root mean square).`]
      : []),
    '',
  ].join('\n');
}

/** Columns that hold numbers alone are aligned to the right. */
function alignedTable(titles: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const columns = titles.map((title, i) => {
    const cells = rows.map((row) => row[i]!);
    const width = Math.max(title.length, 3, ...cells.map((text) => text.length));
    const numeric = title !== '' && cells.every((text) => /^(-?[\d.]+|exact|)$/.test(text));
    return { width, numeric };
  });
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, i) => (columns[i]!.numeric ? text.padStart(columns[i]!.width) : text.padEnd(columns[i]!.width))).join(' | ')} |`;
  const rule = `|${columns.map(({ width, numeric }) => `${'-'.repeat(width + 1)}${numeric ? ':' : '-'}`).join('|')}|`;
  return [line(titles), rule, ...rows.map(line)];
}

/** A name in one cell: without what would end it, or steer a terminal. */
const cell = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}|]/gu, '_').slice(0, 60);
