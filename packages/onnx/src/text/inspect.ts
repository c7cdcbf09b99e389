// What is in a model: sizes, operators, work.
import { sha256 } from '@sanderling/kit';
import { subgraphsOf } from '../attributes.ts';
import { byteLength } from '../data-types.ts';
import type { Fact } from '../infer/facts.ts';
import { inferGraph } from '../infer/infer.ts';
import { elementCount, type Graph, type Model, type ValueInfo } from '../ir.ts';
import { nodeWork } from './work.ts';
import { infoText } from './print.ts';

/** A summary of a model. `parameters`: elements of float constants; `work`: multiply-accumulates of one run, undefined where shapes are not known. */
export interface Inspection {
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: number;
  readonly operators: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly constantBytes: number;
  readonly externalFiles: readonly string[];
  readonly work: number | undefined;
  /** Largest sum of bytes of values that are alive at the same time, inputs and outputs included, constants not. */
  readonly peakBytes: number | undefined;
  readonly digest?: string;
}

/** Summarises a model; symbolic dimensions may be given numbers, for work and memory. */
export function inspectModel(model: Model, sizes: Readonly<Record<string, number>> = {}): Inspection {
  const counts = new Map<string, number>();
  const tally = { parameters: 0, bytes: 0, files: new Set<string>() };
  count(model.graph, counts, tally);
  for (const fn of model.functions) count({ ...model.graph, nodes: fn.nodes, initializers: new Map() }, counts, tally);
  const operators = Object.fromEntries([...counts].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)));
  return {
    irVersion: model.irVersion,
    opsets: Object.fromEntries(model.opsets),
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    metadata: Object.fromEntries(model.metadata),
    inputs: model.graph.inputs,
    outputs: model.graph.outputs,
    nodes: [...counts.values()].reduce((a, b) => a + b, 0),
    operators,
    parameters: tally.parameters,
    constantBytes: tally.bytes,
    externalFiles: [...tally.files],
    ...measured(model, sizes),
  };
}

interface Tally {
  parameters: number;
  bytes: number;
  readonly files: Set<string>;
}

function count(graph: Graph, counts: Map<string, number>, tally: Tally): void {
  for (const tensor of graph.initializers.values()) {
    const elements = elementCount(tensor.dims);
    if (/float/.test(tensor.dtype)) tally.parameters += elements;
    tally.bytes += byteLength(tensor.dtype, elements);
    if (tensor.external) tally.files.add(tensor.external.location);
  }
  for (const node of graph.nodes) {
    const name = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const [, body] of subgraphsOf(node)) count(body, counts, tally);
  }
}

function measured(model: Model, sizes: Readonly<Record<string, number>>): Pick<Inspection, 'work' | 'peakBytes'> {
  const inputs = model.graph.inputs.map(({ dtype, shape, type }): Fact => {
    const dims = shape?.map((dim) => (typeof dim === 'string' ? (sizes[dim] ?? dim) : dim));
    return { dtype, shape: dims, ...(type ? { type } : {}) };
  });
  let work: number | undefined = 0;
  const facts = inferGraph(stripped(model.graph), inputs, {
    opsets: model.opsets,
    functions: model.functions,
    outer: () => undefined,
    failed: () => undefined,
    visit: (node, given, made) => {
      const part = nodeWork(node, given, made);
      work = work === undefined || part === undefined ? undefined : work + part;
    },
  });
  return { work, peakBytes: peakBytes(model.graph, facts) };
}

/** Declared shapes may hold symbols that the caller has given numbers. */
function stripped(graph: Graph): Graph {
  const open = (info: ValueInfo): ValueInfo => ({ ...info, shape: undefined });
  return { ...graph, inputs: graph.inputs.map(open), outputs: graph.outputs.map(open), valueInfo: new Map() };
}

function peakBytes(graph: Graph, facts: ReadonlyMap<string, Fact>): number | undefined {
  const last = new Map<string, number>();
  for (const [i, node] of graph.nodes.entries()) for (const name of node.inputs) last.set(name, i);
  for (const { name } of graph.outputs) last.set(name, Infinity);
  const sizeOf = (name: string): number | undefined => {
    const of = facts.get(name);
    const known = of?.shape?.every((dim) => typeof dim === 'number');
    return known ? byteLength(of!.dtype, elementCount(of!.shape as number[])) : undefined;
  };
  const alive = new Map<string, number>();
  let now = 0;
  const enter = (name: string): boolean => {
    const size = sizeOf(name);
    if (size === undefined) return false;
    alive.set(name, size);
    now += size;
    return true;
  };
  if (!graph.inputs.every(({ name }) => graph.initializers.has(name) || enter(name))) return undefined;
  let peak = now;
  for (const [i, node] of graph.nodes.entries()) {
    if (!node.outputs.every((name) => name === '' || enter(name))) return undefined;
    peak = Math.max(peak, now);
    for (const name of new Set([...node.inputs, ...node.outputs]))
      if ((last.get(name) ?? -1) <= i && alive.has(name)) {
        now -= alive.get(name)!;
        alive.delete(name);
      }
  }
  return peak;
}

/** An inspection as text for people. */
export function inspectionText(of: Inspection): string {
  const ends = (list: readonly ValueInfo[]): string => list.map((info) => `${info.name}: ${infoText(info)}`).join(', ');
  const opsets = Object.entries(of.opsets).map(([domain, version]) => `${domain || 'onnx'} ${version}`);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['producer', of.producer],
    ['ir, opsets', `${of.irVersion}, ${opsets.join(', ')}`],
    ['inputs', ends(of.inputs)],
    ['outputs', ends(of.outputs)],
    [
      'nodes',
      `${of.nodes}: ${Object.entries(of.operators)
        .map(([name, times]) => `${name} ${times}`)
        .join(', ')}`,
    ],
    ['parameters', `${grouped(of.parameters)} (${grouped(of.constantBytes)} bytes of constants)`],
    [
      'work',
      of.work === undefined
        ? 'unknown: give the symbolic dimensions'
        : `${grouped(of.work)} multiply-accumulates a run`,
    ],
    ['peak memory', of.peakBytes === undefined ? undefined : `${grouped(of.peakBytes)} bytes of values`],
    ['external', of.externalFiles.join(', ')],
    [
      'metadata',
      Object.entries(of.metadata)
        .map(([key, value]) => `${key}=${value}`)
        .join(', '),
    ],
    ['digest', of.digest],
  ];
  return `${rows
    .filter(([, text]) => text)
    .map(([name, text]) => `${name.padEnd(12)}${text}`)
    .join('\n')}\n`;
}

const grouped = (value: number): string => value.toLocaleString('en-US');

/** The digest of a model file's bytes. */
export function fileDigest(bytes: Uint8Array): string {
  return sha256(bytes);
}
