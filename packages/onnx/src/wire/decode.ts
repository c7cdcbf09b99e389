// Wire messages → IR. Everything that the IR promises (known types, safe sizes, unique names) is checked here.
import { SanderlingError } from '@sanderling/kit';
import { byteLength, dataTypeOfCode, type DataType } from '../data-types.ts';
import {
  elementCount,
  type Attribute,
  type AttributeKind,
  type AttributeValue,
  type ByteString,
  type Dim,
  type ExternalData,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
  type Shape,
  type SparseTensor,
  type Tensor,
  type ValueInfo,
  type ValueType,
} from '../ir.ts';
import { attributeKinds } from './attribute-kinds.ts';
import { defaultLimits, readMessage, type ReadLimits } from './reader.ts';
import type { Message } from './schema.ts';
import { packElements } from './elements.ts';

/**
 * Reads an ONNX model. Raw tensor data are views into `bytes`: keep them unchanged. External data stay unresolved; see `readModel`.
 * @throws CORRUPT for bytes that are no ONNX model; INVALID_MODEL for one that breaks the IR's rules; TOO_LARGE beyond the limits.
 */
export function decodeModel(bytes: Uint8Array, limits: Partial<ReadLimits> = {}): Model {
  const message = readMessage('Model', bytes, { ...defaultLimits, ...limits });
  if (!message.graph || message.irVersion === undefined)
    throw new SanderlingError('CORRUPT', 'not an ONNX file: it has no graph or no IR version');
  return {
    irVersion: small(message.irVersion, 'IR version'),
    opsets: opsetsOf(message.opsets),
    graph: graphOf(message.graph),
    functions: (message.functions ?? []).map(functionOf),
    metadata: entriesOf(message.metadata) ?? new Map(),
    producerName: message.producerName ?? '',
    producerVersion: message.producerVersion ?? '',
    domain: message.domain ?? '',
    modelVersion: Number(message.modelVersion ?? 0),
    ...docOf(message),
    ...extraOf(message),
  };
}

/**
 * Reads one tensor in ONNX's own file form (`input_0.pb`).
 * @throws CORRUPT, INVALID_MODEL, TOO_LARGE as {@link decodeModel}.
 */
export function decodeTensor(bytes: Uint8Array): Tensor {
  return tensorOfMessage(readMessage('Tensor', bytes));
}

function invalid(message: string, where?: string): SanderlingError {
  return new SanderlingError('INVALID_MODEL', message, where ? { where } : {});
}

function small(value: number | bigint, what: string): number {
  if (typeof value === 'bigint' || value < 0) throw invalid(`${what} ${value} is out of range`);
  return value;
}

interface Documented {
  readonly doc?: string | undefined;
  readonly metadata?: readonly Message<'Entry'>[] | undefined;
}

const docOf = ({ doc }: Documented) => (doc === undefined || doc === '' ? {} : { doc });
const metadataOf = ({ metadata }: Documented) => (metadata?.length ? { metadata: entriesOf(metadata)! } : {});
const extraOf = ({ unknown }: { readonly unknown?: Uint8Array | undefined }) => (unknown ? { extra: unknown } : {});

function entriesOf(entries: readonly Message<'Entry'>[] | undefined): Map<string, string> | undefined {
  return entries && new Map(entries.map(({ key, value }) => [key ?? '', value ?? '']));
}

function opsetsOf(list: readonly Message<'Opset'>[] = []): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain = '', version = 0 } of list) {
    const name = domain === 'ai.onnx' ? '' : domain;
    if (opsets.has(name)) throw invalid(`the opset of domain "${name}" is imported twice`);
    opsets.set(name, small(version, 'opset version'));
  }
  return opsets;
}

function graphOf(message: Message<'Graph'>): Graph {
  const initializers = new Map<string, Tensor>();
  for (const item of message.initializers ?? []) {
    const name = item.name ?? '';
    if (name === '') throw invalid('an initializer has no name', message.name);
    if (initializers.has(name)) throw invalid(`the initializer "${name}" is there twice`, message.name);
    const { name: _, ...tensor } = tensorOfMessage(item);
    initializers.set(name, tensor);
  }
  return {
    name: message.name ?? '',
    nodes: (message.nodes ?? []).map(nodeOf),
    initializers,
    inputs: (message.inputs ?? []).map(valueInfoOf),
    outputs: (message.outputs ?? []).map(valueInfoOf),
    valueInfo: valueInfosOf(message.valueInfo),
    ...(message.sparseInitializers ? { sparseInitializers: message.sparseInitializers.map(sparseOf) } : {}),
    ...docOf(message),
    ...metadataOf(message),
    ...extraOf(message),
  };
}

function functionOf(message: Message<'Function'>): ModelFunction {
  return {
    name: message.name ?? '',
    domain: message.domain ?? '',
    overload: message.overload ?? '',
    inputs: message.inputs ?? [],
    outputs: message.outputs ?? [],
    attributes: message.attributes ?? [],
    defaults: attributesOf(message.defaults, message.name ?? ''),
    nodes: (message.nodes ?? []).map(nodeOf),
    opsets: opsetsOf(message.opsets),
    valueInfo: valueInfosOf(message.valueInfo),
    ...docOf(message),
    ...metadataOf(message),
  };
}

function nodeOf(message: Message<'Node'>): Node {
  const domain = message.domain === 'ai.onnx' ? '' : (message.domain ?? '');
  return {
    name: message.name ?? '',
    opType: message.opType ?? '',
    domain,
    inputs: message.inputs ?? [],
    outputs: message.outputs ?? [],
    attributes: attributesOf(message.attributes, message.name || (message.opType ?? '')),
    ...(message.overload ? { overload: message.overload } : {}),
    ...docOf(message),
    ...metadataOf(message),
    ...extraOf(message),
  };
}

function attributesOf(list: readonly Message<'Attribute'>[] = [], where: string): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = Object.create(null);
  for (const item of list) {
    const name = item.name ?? '';
    if (name in attributes) throw invalid(`the attribute "${name}" is there twice`, where);
    attributes[name] = { ...attributeOf(item, where), ...docOf(item) };
  }
  return attributes;
}

/** What each kind of attribute holds when its field is absent or present on the wire. */
const attributeReaders = {
  float: (m) => m.float ?? 0,
  int: (m) => m.int ?? 0,
  string: (m) => textOf(m.string ?? new Uint8Array()),
  tensor: (m) => (m.tensor ? tensorOfMessage(m.tensor) : missing(m)),
  graph: (m) => (m.graph ? graphOf(m.graph) : missing(m)),
  sparse: (m) => (m.sparse ? sparseOf(m.sparse) : missing(m)),
  typeOf: (m) => m.typeOf && typeOf(m.typeOf),
  floats: (m) => m.floats ?? [],
  ints: (m) => m.ints ?? [],
  strings: (m) => (m.strings ?? []).map(textOf),
  tensors: (m) => (m.tensors ?? []).map(tensorOfMessage),
  graphs: (m) => (m.graphs ?? []).map(graphOf),
  sparses: (m) => (m.sparses ?? []).map(sparseOf),
  typesOf: (m) => (m.typesOf ?? []).map(typeOf),
} as const satisfies {
  [K in AttributeKind]: (m: Message<'Attribute'>) => Extract<AttributeValue, { type: K }>['value'];
};

function attributeOf(message: Message<'Attribute'>, where: string): AttributeValue {
  const type = kindOf(message, where);
  if (message.reference) return { type: 'reference', value: message.reference, of: type };
  return { type, value: attributeReaders[type](message) } as AttributeValue;
}

function kindOf(message: Message<'Attribute'>, where: string): AttributeKind {
  const kinds = Object.keys(attributeKinds) as AttributeKind[];
  // Files of IR version 1 may leave the type out; then the filled field tells it.
  const type = message.type ? Number(message.type) : undefined;
  const kind = kinds.find((name) => (type === undefined ? message[name] !== undefined : attributeKinds[name] === type));
  if (!kind) throw invalid(`the attribute "${message.name ?? ''}" has no known type`, where);
  return kind;
}

function missing(message: Message<'Attribute'>): never {
  throw invalid(`the attribute "${message.name ?? ''}" has no value`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): ByteString {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
}

function valueInfosOf(list: readonly Message<'ValueInfo'>[] = []): Map<string, ValueInfo> {
  return new Map(list.map((item) => [item.name ?? '', valueInfoOf(item)]));
}

function valueInfoOf(message: Message<'ValueInfo'>): ValueInfo {
  const type = message.type && typeOf(message.type);
  const tensor = type?.kind === 'tensor';
  return {
    name: message.name ?? '',
    dtype: tensor ? type.dtype : 'undefined',
    shape: tensor ? type.shape : undefined,
    ...(type && !tensor ? { type } : {}),
    ...docOf(message),
    ...metadataOf(message),
  };
}

function typeOf(message: Message<'Type'>): ValueType {
  const { tensor, sparse, sequence, optional, map, opaque } = message;
  if (tensor) return { kind: 'tensor', dtype: dtypeOf(tensor.dtype), shape: shapeOf(tensor.shape) };
  if (sparse) return { kind: 'sparse', dtype: dtypeOf(sparse.dtype), shape: shapeOf(sparse.shape) };
  if (sequence) return { kind: 'sequence', of: typeOf(sequence.of ?? {}) };
  if (optional) return { kind: 'optional', of: typeOf(optional.of ?? {}) };
  if (map) return { kind: 'map', key: dtypeOf(map.key), of: typeOf(map.of ?? {}) };
  if (opaque) return { kind: 'opaque', domain: opaque.domain ?? '', name: opaque.name ?? '' };
  return { kind: 'tensor', dtype: 'undefined', shape: undefined };
}

function dtypeOf(code: number | bigint = 0): DataType {
  const dtype = dataTypeOfCode(Number(code));
  if (dtype === undefined) throw invalid(`element type ${code} is unknown`);
  return dtype;
}

function shapeOf(message: Message<'Shape'> | undefined): Shape | undefined {
  return message && (message.dims ?? []).map(dimOf);
}

function dimOf({ value, symbol }: Message<'Dimension'>): Dim {
  if (value === undefined) return symbol === '' ? undefined : symbol;
  // Some exporters write -1 or 0 for "unknown"; a negative size can mean nothing else.
  if (typeof value === 'number') return value < 0 ? undefined : value;
  throw invalid(`dimension ${value} is out of range`);
}

function sparseOf(message: Message<'Sparse'>): SparseTensor {
  if (!message.values || !message.indices) throw invalid('a sparse tensor lacks its values or indices');
  const dims = (message.dims ?? []).map((dim) => small(dim, 'dimension'));
  return { values: tensorOfMessage(message.values), indices: tensorOfMessage(message.indices), dims };
}

function tensorOfMessage(message: Message<'Tensor'>): Tensor {
  const dtype = dtypeOf(message.dtype);
  const where = message.name ?? 'tensor';
  if (dtype === 'undefined') throw invalid('a tensor has no element type', where);
  const dims = (message.dims ?? []).map((dim) => small(dim, 'dimension'));
  const count = elementCount(dims);
  if (!Number.isSafeInteger(count)) throw invalid('a tensor has more elements than can be counted', where);
  const common = {
    dtype,
    dims,
    ...(message.name ? { name: message.name } : {}),
    ...docOf(message),
    ...metadataOf(message),
  };
  if (Number(message.location ?? 0) === 1)
    return { ...common, data: new Uint8Array(), external: externalOf(message.external ?? [], where) };
  if (dtype === 'string') return { ...common, data: new Uint8Array(), strings: stringsOf(message, count, where) };
  const data = message.raw ?? packElements(dtype, message, count);
  const wanted = byteLength(dtype, count);
  if (data.length !== wanted)
    throw invalid(`a ${dtype} tensor [${dims.join(', ')}] has ${data.length} bytes instead of ${wanted}`, where);
  return { ...common, data };
}

function stringsOf(message: Message<'Tensor'>, count: number, where: string): ByteString[] {
  const strings = (message.strings ?? []).map(textOf);
  if (strings.length !== count) throw invalid(`a string tensor has ${strings.length} of ${count} elements`, where);
  return strings;
}

function externalOf(entries: readonly Message<'Entry'>[], where: string): ExternalData {
  const facts = entriesOf(entries)!;
  const location = facts.get('location');
  if (!location) throw invalid('external data have no location', where);
  const number = (key: string): number | undefined => {
    const text = facts.get(key);
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw invalid(`external data have a bad ${key}: ${text.slice(0, 32)}`, where);
    return Number(text);
  };
  return { location, offset: number('offset') ?? 0, length: number('length'), checksum: facts.get('checksum') };
}
