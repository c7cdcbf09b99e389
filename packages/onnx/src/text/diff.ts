// What differs between two models: matched by names, so that a reordered file is equal and a retrained one shows its changed weights.
import { dataTypes } from '../data-types.ts';
import { shapeText } from '../infer/facts.ts';
import { elementCount, type Graph, type Model, type Node, type Tensor, type ValueInfo } from '../ir.ts';
import { toNumbers } from '../tensor.ts';
import { attributeText, infoText, tensorText } from './print.ts';

/** One difference. `kind`: what part of the model; `name`: which; `before`, `after`: as text, undefined where absent. */
export interface Change {
  readonly kind: 'model' | 'opset' | 'metadata' | 'input' | 'output' | 'weight' | 'node' | 'function';
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
  /** For weights of the same shape: the largest absolute difference. */
  readonly largest?: number;
}

/** All differences, in a stable order; none for models that compute the same with the same names. */
export function diffModels(before: Model, after: Model): readonly Change[] {
  return [
    ...compared('model', headOf(before), headOf(after)),
    ...compared('opset', textMap(before.opsets), textMap(after.opsets)),
    ...compared('metadata', before.metadata, after.metadata),
    ...compared('function', functionsOf(before), functionsOf(after)),
    ...diffGraphs(before.graph, after.graph),
  ];
}

type Texts = ReadonlyMap<string, string>;

function headOf(model: Model): Texts {
  return new Map([
    ['ir version', String(model.irVersion)],
    ['producer', `${model.producerName} ${model.producerVersion}`.trim()],
    ['version', String(model.modelVersion)],
  ]);
}

const textMap = (map: ReadonlyMap<string, number>): Texts =>
  new Map(Array.from(map, ([key, value]) => [key === '' ? 'onnx' : key, String(value)]));

function functionsOf(model: Model): Texts {
  return new Map(model.functions.map((fn) => [`${fn.domain}.${fn.name}`, fn.nodes.map(nodeText).join('; ')]));
}

function diffGraphs(before: Graph, after: Graph): readonly Change[] {
  const ends = (list: readonly ValueInfo[]): Texts => new Map(list.map((info) => [info.name, infoText(info)]));
  return [
    ...compared('input', ends(before.inputs), ends(after.inputs)),
    ...compared('output', ends(before.outputs), ends(after.outputs)),
    ...diffWeights(before.initializers, after.initializers),
    ...compared('node', nodesOf(before), nodesOf(after)),
  ];
}

function compared(kind: Change['kind'], before: Texts, after: Texts): readonly Change[] {
  const names = [...before.keys(), ...[...after.keys()].filter((name) => !before.has(name))];
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => ({ kind, name, before: before.get(name), after: after.get(name) }));
}

/** Nodes by their first output; those without a named output by their place. */
function nodesOf(graph: Graph): Texts {
  return new Map(graph.nodes.map((node, i) => [node.outputs.find((name) => name !== '') ?? `#${i}`, nodeText(node)]));
}

function nodeText(node: Node): string {
  const attributes = Object.keys(node.attributes)
    .sort()
    .map((name) => `${name}=${attributeText(node.attributes[name]!)}`);
  const operator = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
  const extra = attributes.length > 0 ? ` {${attributes.join(', ')}}` : '';
  return `${operator}(${node.inputs.map((name) => (name === '' ? '_' : name)).join(', ')})${extra}`;
}

function diffWeights(before: ReadonlyMap<string, Tensor>, after: ReadonlyMap<string, Tensor>): readonly Change[] {
  const names = [...before.keys(), ...[...after.keys()].filter((name) => !before.has(name))];
  return names.flatMap((name): Change[] => {
    const [a, b] = [before.get(name), after.get(name)];
    if (a && b && sameTensor(a, b)) return [];
    const texts = { before: a && tensorText(a), after: b && tensorText(b) };
    const largest = a && b ? largestDifference(a, b) : undefined;
    return [{ kind: 'weight', name, ...texts, ...(largest === undefined ? {} : { largest }) }];
  });
}

function sameTensor(a: Tensor, b: Tensor): boolean {
  const alike = a.dtype === b.dtype && shapeText(a.dims) === shapeText(b.dims);
  if (!alike || JSON.stringify(a.external) !== JSON.stringify(b.external)) return false;
  return Buffer.compare(a.data, b.data) === 0 && JSON.stringify(a.strings) === JSON.stringify(b.strings);
}

function largestDifference(a: Tensor, b: Tensor): number | undefined {
  const numeric = dataTypes[a.dtype].bits > 0 && !a.external && !b.external;
  if (!numeric || a.dtype !== b.dtype || elementCount(a.dims) !== elementCount(b.dims)) return undefined;
  const other = toNumbers(b);
  return toNumbers(a).reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
}

/** Differences as text, one line each: `+` added, `-` removed, `~` changed. */
export function diffText(changes: readonly Change[]): string {
  return changes.map((change) => `${line(change)}\n`).join('');
}

function line({ kind, name, before, after, largest }: Change): string {
  if (before === undefined) return `+ ${kind} ${name}: ${after}`;
  if (after === undefined) return `- ${kind} ${name}: ${before}`;
  const by = largest === undefined ? '' : ` (largest difference ${Number(largest.toPrecision(4))})`;
  return `~ ${kind} ${name}: ${before} → ${after}${by}`;
}
