// The ONNX messages as a table: field name → [field number, type]. `*` marks a repeated field; a capital letter another message.
// Numbers follow the ONNX IR specification (onnx.proto, IR version 14). A field missing here is kept as opaque bytes.

export const messages = {
  Model: {
    irVersion: [1, 'int'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    domain: [4, 'string'],
    modelVersion: [5, 'int'],
    doc: [6, 'string'],
    graph: [7, 'Graph'],
    opsets: [8, 'Opset*'],
    metadata: [14, 'Entry*'],
    functions: [25, 'Function*'],
  },
  Opset: { domain: [1, 'string'], version: [2, 'int'] },
  Entry: { key: [1, 'string'], value: [2, 'string'] },
  Graph: {
    nodes: [1, 'Node*'],
    name: [2, 'string'],
    initializers: [5, 'Tensor*'],
    doc: [10, 'string'],
    inputs: [11, 'ValueInfo*'],
    outputs: [12, 'ValueInfo*'],
    valueInfo: [13, 'ValueInfo*'],
    sparseInitializers: [15, 'Sparse*'],
    metadata: [16, 'Entry*'],
  },
  Node: {
    inputs: [1, 'string*'],
    outputs: [2, 'string*'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attributes: [5, 'Attribute*'],
    doc: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
    metadata: [9, 'Entry*'],
  },
  Attribute: {
    name: [1, 'string'],
    float: [2, 'float'],
    int: [3, 'int'],
    string: [4, 'bytes'],
    tensor: [5, 'Tensor'],
    graph: [6, 'Graph'],
    floats: [7, 'float*'],
    ints: [8, 'int*'],
    strings: [9, 'bytes*'],
    tensors: [10, 'Tensor*'],
    graphs: [11, 'Graph*'],
    doc: [13, 'string'],
    typeOf: [14, 'Type'],
    typesOf: [15, 'Type*'],
    type: [20, 'int'],
    reference: [21, 'string'],
    sparse: [22, 'Sparse'],
    sparses: [23, 'Sparse*'],
  },
  ValueInfo: { name: [1, 'string'], type: [2, 'Type'], doc: [3, 'string'], metadata: [4, 'Entry*'] },
  Type: {
    tensor: [1, 'TensorType'],
    sequence: [4, 'ElementType'],
    map: [5, 'MapType'],
    denotation: [6, 'string'],
    opaque: [7, 'OpaqueType'],
    sparse: [8, 'TensorType'],
    optional: [9, 'ElementType'],
  },
  TensorType: { dtype: [1, 'int'], shape: [2, 'Shape'] },
  ElementType: { of: [1, 'Type'] },
  MapType: { key: [1, 'int'], of: [2, 'Type'] },
  OpaqueType: { domain: [1, 'string'], name: [2, 'string'] },
  Shape: { dims: [1, 'Dimension*'] },
  Dimension: { value: [1, 'int'], symbol: [2, 'string'], denotation: [3, 'string'] },
  Tensor: {
    dims: [1, 'int*'],
    dtype: [2, 'int'],
    floats: [4, 'float*'],
    int32s: [5, 'int*'],
    strings: [6, 'bytes*'],
    int64s: [7, 'int*'],
    name: [8, 'string'],
    raw: [9, 'bytes'],
    doubles: [10, 'double*'],
    uint64s: [11, 'int*'],
    doc: [12, 'string'],
    external: [13, 'Entry*'],
    location: [14, 'int'],
    metadata: [16, 'Entry*'],
  },
  Sparse: { values: [1, 'Tensor'], indices: [2, 'Tensor'], dims: [3, 'int*'] },
  Function: {
    name: [1, 'string'],
    inputs: [4, 'string*'],
    outputs: [5, 'string*'],
    attributes: [6, 'string*'],
    nodes: [7, 'Node*'],
    doc: [8, 'string'],
    opsets: [9, 'Opset*'],
    domain: [10, 'string'],
    defaults: [11, 'Attribute*'],
    valueInfo: [12, 'ValueInfo*'],
    overload: [13, 'string'],
    metadata: [14, 'Entry*'],
  },
} as const;

type Messages = typeof messages;
export type MessageName = keyof Messages;

interface Scalars {
  int: number | bigint;
  float: number;
  double: number;
  string: string;
  bytes: Uint8Array;
}
export type ScalarName = keyof Scalars;

type Single<T> = T extends MessageName ? Message<T> : T extends ScalarName ? Scalars[T] : never;
type Field<T> = T extends `${infer Base}*` ? readonly Single<Base>[] : Single<T>;

/** A message as plain data: absent fields are absent; `unknown` holds the wire bytes of fields that the table does not list. */
export type Message<M extends MessageName> = {
  readonly [F in keyof Messages[M]]?: Messages[M][F] extends readonly [number, infer T] ? Field<T> | undefined : never;
} & { readonly unknown?: Uint8Array | undefined };

/** One field, ready for reading and writing. */
export interface FieldPlan {
  readonly key: string;
  readonly number: number;
  readonly scalar: ScalarName | undefined;
  readonly message: MessageName | undefined;
  readonly repeated: boolean;
}

const plansOf = (name: MessageName): FieldPlan[] =>
  Object.entries(messages[name] as Record<string, readonly [number, string]>).map(([key, [number, type]]) => {
    const repeated = type.endsWith('*');
    const base = repeated ? type.slice(0, -1) : type;
    const message = base in messages ? (base as MessageName) : undefined;
    return { key, number, scalar: message ? undefined : (base as ScalarName), message, repeated };
  });

const byMessage = (name: MessageName) => {
  const list = plansOf(name);
  return { list, byNumber: new Map(list.map((plan) => [plan.number, plan])) };
};

/** Per message: its fields in writing order and by number. */
export const plans = Object.fromEntries(
  (Object.keys(messages) as MessageName[]).map((name) => [name, byMessage(name)]),
) as unknown as Readonly<
  Record<MessageName, { readonly list: readonly FieldPlan[]; readonly byNumber: ReadonlyMap<number, FieldPlan> }>
>;
