// What a generated model costs: per layer and in all.
import { elementTypes, type Layer, type Program } from './ir.ts';
import type { MemoryPlan } from './memory/plan.ts';
import type { Written } from './emit/files.ts';
import { comment } from './emit/c-text.ts';
import { workOf } from './emit/layers.ts';

/** One layer. `constantBytes`: what it reads of the flash; `liveBytes`: tensors in the arena while it runs; `free`: costs no code. */
export interface LayerReport {
  readonly index: number;
  readonly name: string;
  readonly operator: string;
  readonly output: readonly number[];
  readonly macs: number;
  readonly constantBytes: number;
  readonly liveBytes: number;
  readonly free: boolean;
}

/** The whole model; bytes. `boundBytes`: the largest sum of tensors that are live at once, below which no arena can be. */
export interface Report {
  readonly name: string;
  readonly layers: readonly LayerReport[];
  readonly macs: number;
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

/** The report as a Markdown table. */
export function reportText(report: Report): string {
  const rows = report.layers.map(
    ({ index, name, operator, output, macs, constantBytes, liveBytes, free }) =>
      `| ${index} | ${cell(name)} | ${operator} | ${output.join('×') || 'scalar'} | ${macs} | ${constantBytes} | ${liveBytes} | ${free ? 'free' : ''} |`,
  );
  const ratio = report.boundBytes === 0 ? 1 : report.arenaBytes / report.boundBytes;
  return [
    '| # | layer | operator | output | MACs | constants (B) | live (B) | |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `RAM: ${report.arenaBytes} B of arena (${ratio.toFixed(2)} of the lower bound ${report.boundBytes} B), ${report.stateBytes} B of state, ${report.inputBytes} B in, ${report.outputBytes} B out.`,
    `Flash: ${report.constantBytes} B of constants, code not included. Work: ${report.macs} multiply-accumulates.`,
    '',
  ].join('\n');
}

const cell = (text: string): string => comment(text).replaceAll('|', '_').slice(0, 60);
