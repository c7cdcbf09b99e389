// A model as text: one line a value, in the order of the file; stable, so that two prints can be compared line by line.
import { sha256 } from '@sanderling/kit';
import { dataTypes } from '../data-types.ts';
import { shapeText } from '../infer/facts.ts';
import {
  elementCount,
  type Attribute,
  type ByteString,
  type Graph,
  type Model,
  type Node,
  type Tensor,
  type ValueInfo,
  type ValueType,
} from '../ir.ts';
import { float32Data, toNumbers, typedData } from '../tensor.ts';

/** How much is written out. */
export interface PrintOptions {
  /** Tensors up to this many elements are written out; larger ones as type, size, range and digest. @default 8 */
  readonly elements?: number;
}

/** A model as text. */
export function printModel(model: Model, options: PrintOptions = {}): string {
  const opsets = Array.from(model.opsets, ([domain, version]) => `${domain === '' ? 'onnx' : domain} ${version}`).join(
    ', ',
  );
  const lines = [`model ir ${model.irVersion}, opset ${opsets}`];
  if (model.producerName)
    lines.push(`producer ${JSON.stringify(model.producerName)} ${model.producerVersion}`.trimEnd());
  for (const [key, value] of model.metadata) lines.push(`metadata ${key} = ${JSON.stringify(value)}`);
  for (const fn of model.functions) {
    lines.push(`function ${fn.domain}.${fn.name}(${fn.inputs.join(', ')}) -> (${fn.outputs.join(', ')}) {`);
    for (const node of fn.nodes) for (const line of nodeLines(node, options)) lines.push(indented(line));
    lines.push('}');
  }
  return [...lines, ...printGraph(model.graph, options), ''].join('\n');
}

const indented = (line: string): string => `  ${line}`;

/** The lines of a graph. */
export function printGraph(graph: Graph, options: PrintOptions = {}): string[] {
  const ends = (list: readonly ValueInfo[]): string => list.map((info) => `${info.name}: ${infoText(info)}`).join(', ');
  const body = [
    ...Array.from(graph.initializers, ([name, tensor]) => `${name} = ${tensorText(tensor, options)}`),
    ...graph.nodes.flatMap((node) => nodeLines(node, options)),
  ];
  return [`graph ${graph.name}(${ends(graph.inputs)}) -> (${ends(graph.outputs)}) {`, ...body.map(indented), '}'];
}

/** A value's type: `float32[batch, 3]`. */
export function infoText({ dtype, shape, type }: ValueInfo): string {
  return typeText(type ?? { kind: 'tensor', dtype, shape });
}

export function typeText(type: ValueType): string {
  switch (type.kind) {
    case 'tensor':
      return type.shape ? `${type.dtype}${shapeText(type.shape)}` : type.dtype;
    case 'sparse':
      return `sparse ${type.dtype}${type.shape ? shapeText(type.shape) : ''}`;
    case 'sequence':
    case 'optional':
      return `${type.kind}(${typeText(type.of)})`;
    case 'map':
      return `map(${type.key}, ${typeText(type.of)})`;
    case 'opaque':
      return `opaque(${type.domain}.${type.name})`;
  }
}

function nodeLines(node: Node, options: PrintOptions): string[] {
  const plain: string[] = [];
  const bodies: string[] = [];
  for (const name of Object.keys(node.attributes).sort()) {
    const attribute = node.attributes[name]!;
    if (attribute.type === 'graph') bodies.push(`${name}: `, ...printGraph(attribute.value, options));
    else plain.push(`${name}=${attributeText(attribute, options)}`);
  }
  const operator = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
  const extra = plain.length > 0 ? ` {${plain.join(', ')}}` : '';
  const label = node.name === '' || node.name === node.outputs[0] ? '' : ` # ${node.name}`;
  const inputs = node.inputs.map((name) => (name === '' ? '_' : name)).join(', ');
  const outputs = node.outputs.map((name) => (name === '' ? '_' : name)).join(', ');
  return [`${outputs} = ${operator}(${inputs})${extra}${label}`, ...joinedBodies(bodies).map(indented)];
}

/** Puts `body: ` and the graph line after it on one line. */
function joinedBodies(lines: readonly string[]): string[] {
  const out: string[] = [];
  for (const line of lines) {
    if (out.at(-1)?.endsWith(': ')) out[out.length - 1] += line;
    else out.push(line);
  }
  return out;
}

const bytesText = (text: ByteString): string =>
  JSON.stringify(typeof text === 'string' ? text : `0x${Buffer.from(text).toString('hex')}`);

/** An attribute's value, on one line. */
export function attributeText(attribute: Attribute, options: PrintOptions = {}): string {
  switch (attribute.type) {
    case 'float':
    case 'int':
      return (
        numberText(attribute.value) + (attribute.type === 'float' && Number.isInteger(attribute.value) ? '.0' : '')
      );
    case 'string':
      return bytesText(attribute.value);
    case 'tensor':
      return tensorText(attribute.value, options);
    case 'floats':
    case 'ints':
      return listText(attribute.value.map(numberText));
    case 'strings':
      return listText(attribute.value.map(bytesText));
    case 'tensors':
      return `[${attribute.value.map((tensor) => tensorText(tensor, options)).join(', ')}]`;
    case 'graph':
      return printGraph(attribute.value, options).join(' ');
    case 'graphs':
      return `[${attribute.value.map((graph) => printGraph(graph, options).join(' ')).join(', ')}]`;
    case 'typeOf':
      return attribute.value ? typeText(attribute.value) : '?';
    case 'typesOf':
      return `[${attribute.value.map((type) => (type ? typeText(type) : '?')).join(', ')}]`;
    case 'sparse':
      return `sparse ${tensorText(attribute.value.values, options)}`;
    case 'sparses':
      return `[${attribute.value.map(({ values }) => `sparse ${tensorText(values, options)}`).join(', ')}]`;
    case 'reference':
      return `@${attribute.value}`;
  }
}

const longest = 64;

function listText(items: readonly string[]): string {
  const rest = items.length - longest;
  return rest > 0 ? `[${items.slice(0, longest).join(', ')}, … ${rest} more]` : `[${items.join(', ')}]`;
}

/** The fewest digits that tell a float32 from its neighbours. */
function numberText(value: number | bigint): string {
  if (typeof value === 'bigint' || Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  const single = Math.fround(value);
  const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === single);
  return String(digits === undefined || single !== value ? value : Number(value.toPrecision(digits)));
}

/** A constant, written out when small, else by size, range and the first 12 digits of its SHA-256. */
export function tensorText(tensor: Tensor, { elements = 8 }: PrintOptions = {}): string {
  const type = `${tensor.dtype}${shapeText(tensor.dims)}`;
  if (tensor.external) return `${type} in ${tensor.external.location} at ${tensor.external.offset}`;
  if (tensor.strings) return `${type} ${listText(tensor.strings.slice(0, longest).map(bytesText))}`;
  const count = elementCount(tensor.dims);
  if (dataTypes[tensor.dtype].bits === 0) return type;
  if (count <= elements) return `${type} {${elementTexts(tensor).join(', ')}}`;
  return `${type} ${rangeText(tensor)} sha256 ${sha256(tensor.data).slice(0, 12)}`;
}

/** All elements; 64-bit integers without rounding. */
function elementTexts(tensor: Tensor): string[] {
  if (tensor.dtype !== 'int64' && tensor.dtype !== 'uint64') return toNumbers(tensor).map(numberText);
  return Array.from(typedData(tensor) as BigInt64Array | BigUint64Array, String);
}

function rangeText(tensor: Tensor): string {
  let [least, most] = [Infinity, -Infinity];
  let odd = 0;
  for (const value of tensor.dtype === 'float32' ? float32Data(tensor) : toNumbers(tensor)) {
    if (!Number.isFinite(value)) odd += 1;
    else if (value < least) least = value;
    if (Number.isFinite(value) && value > most) most = value;
  }
  const span = least > most ? '' : `${short(least)} … ${short(most)}`;
  return odd > 0 ? `${span} (${odd} not finite)`.trim() : span;
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
