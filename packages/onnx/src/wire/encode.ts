// IR → wire messages. Tensors are always written as raw data.
import { SanderlingError } from '@sanderling/kit';
import { byteLength, dataTypes, type DataType } from '../data-types.ts';
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
import type { Message } from './schema.ts';
import { writeMessage } from './writer.ts';

/**
 * Writes a model as ONNX bytes.
 * @throws INVALID_MODEL for a tensor whose bytes do not fit its dimensions, or an integer attribute that is none; TOO_LARGE beyond protobuf's 2 GiB (use external data).
 */
export function encodeModel(model: Model): Uint8Array {
  const message: Message<'Model'> = {
    irVersion: model.irVersion,
    ...filled({
      producerName: model.producerName,
      producerVersion: model.producerVersion,
      domain: model.domain,
      doc: model.doc,
    }),
    ...(model.modelVersion === 0 ? {} : { modelVersion: model.modelVersion }),
    graph: graphMessage(model.graph),
    opsets: opsetMessages(model.opsets),
    metadata: entryMessages(model.metadata),
    functions: model.functions.map(functionMessage),
    unknown: model.extra,
  };
  try {
    return writeMessage('Model', message);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SanderlingError('TOO_LARGE', 'the model is too large for one file', {
      fix: 'write it with external data',
      cause: error,
    });
  }
}

/** Writes one tensor in ONNX's own file form (`input_0.pb`). */
export function encodeTensor(tensor: Tensor): Uint8Array {
  return writeMessage('Tensor', tensorMessage(tensor));
}

/** The fields whose text is not empty. */
function filled<K extends string>(fields: Record<K, string | undefined>): { [F in K]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text)) as { [F in K]?: string };
}

function entryMessages(entries: ReadonlyMap<string, string> = new Map()): Message<'Entry'>[] {
  return Array.from(entries, ([key, value]) => ({ key, value }));
}

function opsetMessages(opsets: ReadonlyMap<string, number>): Message<'Opset'>[] {
  return Array.from(opsets, ([domain, version]) => ({ domain, version }));
}

function graphMessage(graph: Graph): Message<'Graph'> {
  return {
    nodes: graph.nodes.map(nodeMessage),
    name: graph.name,
    initializers: Array.from(graph.initializers, ([name, tensor]) => ({ ...tensorMessage(tensor), name })),
    ...filled({ doc: graph.doc }),
    inputs: graph.inputs.map(valueInfoMessage),
    outputs: graph.outputs.map(valueInfoMessage),
    valueInfo: Array.from(graph.valueInfo.values(), valueInfoMessage),
    sparseInitializers: (graph.sparseInitializers ?? []).map(sparseMessage),
    metadata: entryMessages(graph.metadata),
    unknown: graph.extra,
  };
}

function functionMessage(fn: ModelFunction): Message<'Function'> {
  return {
    name: fn.name,
    domain: fn.domain,
    ...filled({ overload: fn.overload, doc: fn.doc }),
    inputs: fn.inputs,
    outputs: fn.outputs,
    attributes: fn.attributes,
    defaults: attributeMessages(fn.defaults),
    nodes: fn.nodes.map(nodeMessage),
    opsets: opsetMessages(fn.opsets),
    valueInfo: Array.from(fn.valueInfo.values(), valueInfoMessage),
    metadata: entryMessages(fn.metadata),
  };
}

function nodeMessage(node: Node): Message<'Node'> {
  return {
    inputs: node.inputs,
    outputs: node.outputs,
    opType: node.opType,
    ...filled({ name: node.name, domain: node.domain, overload: node.overload, doc: node.doc }),
    attributes: attributeMessages(node.attributes),
    metadata: entryMessages(node.metadata),
    unknown: node.extra,
  };
}

function attributeMessages(attributes: Readonly<Record<string, Attribute>>): Message<'Attribute'>[] {
  return Object.entries(attributes).map(([name, attribute]) => ({
    name,
    ...attributeMessage(name, attribute),
    ...filled({ doc: attribute.doc }),
  }));
}

const attributeWriters: {
  readonly [K in AttributeKind]: (value: Extract<AttributeValue, { type: K }>['value']) => Message<'Attribute'>;
} = {
  float: (float) => ({ float }),
  int: (value) => ({ int: integer(value) }),
  string: (value) => ({ string: bytesOf(value) }),
  tensor: (value) => ({ tensor: tensorMessage(value) }),
  graph: (value) => ({ graph: graphMessage(value) }),
  sparse: (value) => ({ sparse: sparseMessage(value) }),
  typeOf: (value) => (value ? { typeOf: typeMessage(value) } : {}),
  floats: (floats) => ({ floats }),
  ints: (value) => ({ ints: value.map(integer) }),
  strings: (value) => ({ strings: value.map(bytesOf) }),
  tensors: (value) => ({ tensors: value.map(tensorMessage) }),
  graphs: (value) => ({ graphs: value.map(graphMessage) }),
  sparses: (value) => ({ sparses: value.map(sparseMessage) }),
  typesOf: (value) => ({ typesOf: value.map((type) => (type ? typeMessage(type) : {})) }),
};

function attributeMessage(name: string, attribute: AttributeValue): Message<'Attribute'> {
  if (attribute.type === 'reference') return { type: attributeKinds[attribute.of], reference: attribute.value };
  const write = attributeWriters[attribute.type] as ((value: unknown) => Message<'Attribute'>) | undefined;
  if (!write) throw new SanderlingError('INVALID_MODEL', `the attribute "${name}" has no known type`, { where: name });
  return { ...write(attribute.value), type: attributeKinds[attribute.type] };
}

function integer(value: number | bigint): number | bigint {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return value;
  throw new SanderlingError('INVALID_MODEL', `${value} is not an integer`);
}

const textEncoder = new TextEncoder();
const bytesOf = (text: ByteString): Uint8Array => (typeof text === 'string' ? textEncoder.encode(text) : text);

function valueInfoMessage(info: ValueInfo): Message<'ValueInfo'> {
  const type = info.type ?? { kind: 'tensor', dtype: info.dtype, shape: info.shape };
  const untyped = type.kind === 'tensor' && type.dtype === 'undefined' && type.shape === undefined;
  return {
    name: info.name,
    ...(untyped ? {} : { type: typeMessage(type) }),
    ...filled({ doc: info.doc }),
    metadata: entryMessages(info.metadata),
  };
}

function typeMessage(type: ValueType): Message<'Type'> {
  switch (type.kind) {
    case 'tensor':
      return { tensor: tensorTypeMessage(type.dtype, type.shape) };
    case 'sparse':
      return { sparse: tensorTypeMessage(type.dtype, type.shape) };
    case 'sequence':
      return { sequence: { of: typeMessage(type.of) } };
    case 'optional':
      return { optional: { of: typeMessage(type.of) } };
    case 'map':
      return { map: { key: dataTypes[type.key].code, of: typeMessage(type.of) } };
    case 'opaque':
      return { opaque: { domain: type.domain, name: type.name } };
  }
}

function tensorTypeMessage(dtype: DataType, shape: Shape | undefined): Message<'TensorType'> {
  return { dtype: dataTypes[dtype].code, ...(shape ? { shape: { dims: shape.map(dimMessage) } } : {}) };
}

function dimMessage(dim: Dim): Message<'Dimension'> {
  if (dim === undefined) return {};
  return typeof dim === 'number' ? { value: integer(dim) } : { symbol: dim };
}

function sparseMessage(sparse: SparseTensor): Message<'Sparse'> {
  return { values: tensorMessage(sparse.values), indices: tensorMessage(sparse.indices), dims: sparse.dims };
}

function tensorMessage(tensor: Tensor): Message<'Tensor'> {
  return {
    dims: tensor.dims.map(integer),
    dtype: dataTypes[tensor.dtype].code,
    ...contentOf(tensor),
    ...filled({ name: tensor.name, doc: tensor.doc }),
    metadata: entryMessages(tensor.metadata),
  };
}

function contentOf(tensor: Tensor): Message<'Tensor'> {
  if (tensor.external) return { external: externalMessages(tensor.external), location: 1 };
  if (tensor.strings) return { strings: tensor.strings.map(bytesOf) };
  const wanted = byteLength(tensor.dtype, elementCount(tensor.dims));
  if (tensor.data.length !== wanted)
    throw new SanderlingError(
      'INVALID_MODEL',
      `a ${tensor.dtype} tensor [${tensor.dims.join(', ')}] has ${tensor.data.length} bytes instead of ${wanted}`,
      tensor.name ? { where: tensor.name } : {},
    );
  return { raw: tensor.data };
}

function externalMessages({ location, offset, length, checksum }: ExternalData): Message<'Entry'>[] {
  return [
    { key: 'location', value: location },
    ...(offset === 0 ? [] : [{ key: 'offset', value: String(offset) }]),
    ...(length === undefined ? [] : [{ key: 'length', value: String(length) }]),
    ...(checksum === undefined ? [] : [{ key: 'checksum', value: checksum }]),
  ];
}
