// A graph builder: every op is inferred as it is added, so that each Value knows its type and shape.
import { SanderlingError } from '@sanderling/kit';
import { attributesFrom, type AttributeInput } from './attribute-input.ts';
import type { DataType } from './data-types.ts';
import { appendGraph, type AppendOptions } from './append.ts';
import { factOfInfo, factOfTensor, shapeText, type Fact } from './infer/facts.ts';
import { infoOf, inferNode, isInferable } from './infer/infer.ts';
import type { Dim, Graph, Model, ModelFunction, Node, Shape, Tensor, ValueInfo, ValueType } from './ir.ts';
import { defaultOpset, modelOf, type ModelOptions } from './model.ts';
import { renamedNode } from './rename.ts';
import { tensorOf, type Elements } from './tensor.ts';

/** A value of a graph under construction. `shape` is undefined where not even the rank could be inferred. */
export interface Value {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: Shape | undefined;
}

/** How a builder builds. */
export interface BuilderOptions {
  /** Opset of the ONNX domain. @default 21 */
  readonly opset?: number;
  /** Versions of other domains. @default com.microsoft 1 */
  readonly opsets?: ReadonlyMap<string, number>;
  /** Functions that nodes may call. @default none */
  readonly functions?: readonly ModelFunction[];
}

/** What else can be said of a node. */
export interface OpOptions {
  /** Operator domain. @default '' (ONNX itself) */
  readonly domain?: string;
  /** Wanted name of the node and its first output; made unique. @default the operator's name in lower case */
  readonly name?: string;
  /** Types of the outputs, for operators that inference does not know. */
  readonly outputs?: readonly { readonly dtype: DataType; readonly shape: Shape | undefined }[];
}

/** What a root builder shares with its subgraphs. */
interface Shared {
  readonly names: Set<string>;
  readonly nodeNames: Set<string>;
  readonly counters: Map<string, number>;
  readonly constants: Map<string, Value>;
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: readonly ModelFunction[];
}

/** The largest constant, in bytes, that is looked for among earlier ones. */
const sharedConstantBytes = 512;

/**
 * Builds one graph. Nodes are inferred when added: a wrong op fails where it is written, with INVALID_MODEL.
 * Subgraph builders (`subgraph`) see the values of their parents, as ONNX bodies do.
 */
export class GraphBuilder {
  readonly name: string;
  readonly #parent: GraphBuilder | undefined;
  readonly #shared: Shared;
  readonly #facts = new Map<string, Fact>();
  readonly #nodes: Node[] = [];
  readonly #produced = new Set<string>();
  readonly #initializers = new Map<string, Tensor>();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: { readonly name: string; readonly source: string }[] = [];

  constructor(name: string, options: BuilderOptions = {}, parent?: GraphBuilder) {
    this.name = name;
    this.#parent = parent;
    this.#shared = parent ? parent.#shared : newShared(options);
  }

  /** The opsets that inference goes by. */
  get opsets(): ReadonlyMap<string, number> {
    return this.#shared.opsets;
  }

  /** The nodes added so far, in order. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** A graph input. @throws ALREADY_EXISTS when the name is taken. */
  input(name: string, dtype: DataType, shape: Shape | undefined): Value {
    return this.typedInput(name, { kind: 'tensor', dtype, shape });
  }

  /** A graph input of any type: sequence, optional … */
  typedInput(name: string, type: ValueType): Value {
    this.#claim(name);
    const of =
      type.kind === 'tensor'
        ? { dtype: type.dtype, shape: type.shape }
        : { dtype: 'undefined' as const, shape: undefined, type };
    this.#inputs.push(infoOf(name, of));
    return this.#define(name, of);
  }

  /** A named constant: a weight. @throws ALREADY_EXISTS when the name is taken. */
  initializer(name: string, tensor: Tensor): Value {
    this.#claim(name);
    this.#initializers.set(name, tensor);
    return this.#define(name, factOfTensor(tensor));
  }

  /** An anonymous constant, kept in the outermost graph; equal small ones are one. */
  constant(tensor: Tensor): Value {
    if (this.#parent) return this.#parent.constant(tensor);
    if (tensor.data.length > sharedConstantBytes || tensor.strings || tensor.external) return this.#constant(tensor);
    const key = `${tensor.dtype}[${tensor.dims.join()}]${Buffer.from(tensor.data).toString('latin1')}`;
    const before = this.#shared.constants.get(key);
    if (before) return before;
    const value = this.#constant(tensor);
    this.#shared.constants.set(key, value);
    return value;
  }

  #constant(tensor: Tensor): Value {
    const name = this.fresh('constant');
    this.#initializers.set(name, tensor);
    return this.#define(name, factOfTensor(tensor));
  }

  /** A scalar constant of rank 0. */
  scalar(value: number | bigint, dtype: DataType = 'float32'): Value {
    return this.constant(tensorOf(dtype, [], [value] as Elements));
  }

  /** A 1-D int64 constant: axes, sizes, shapes. */
  int64(values: readonly (number | bigint)[]): Value {
    return this.constant(tensorOf('int64', [values.length], values as Elements));
  }

  /**
   * Adds an op with one output.
   * @throws INVALID_MODEL when the inputs cannot go together; INVALID_ARGUMENT for values of another builder.
   */
  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
    options: OpOptions = {},
  ): Value {
    return this.#add(opType, inputs, attributes, { ...options, count: 1 })[0]!;
  }

  /** Adds an op with several outputs: their number, or the options with their types. */
  ops(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeInput>>,
    outputs: number | (OpOptions & { readonly count: number }),
  ): readonly Value[] {
    return this.#add(opType, inputs, attributes, typeof outputs === 'number' ? { count: outputs } : outputs);
  }

  /** A builder for a body of If, Loop or Scan; it sees this graph's values. */
  subgraph(name: string): GraphBuilder {
    return new GraphBuilder(this.fresh(name), {}, this);
  }

  /**
   * Declares a graph output: under its own name, or under a wanted one. The producing node is renamed, so that no copy is made;
   * only an input, a constant, an outer value or a value that is an output already goes through Identity.
   */
  output(value: Value): Value;
  output(name: string, value: Value): Value;
  output(nameOrValue: string | Value, named?: Value): Value {
    const value = named ?? (nameOrValue as Value);
    const wanted = named ? (nameOrValue as string) : undefined;
    this.#known(value);
    const twice = this.#outputs.some(({ source }) => source === value.name);
    const source =
      this.#produced.has(value.name) && !twice
        ? value
        : this.op('Identity', [value], {}, { name: this.fresh(`${value.name}_out`) });
    const name = wanted ?? source.name;
    if (name !== source.name) this.#claim(name);
    this.#outputs.push({ name, source: source.name });
    return source;
  }

  /** The graph as built so far. */
  build(): Graph {
    const names = new Map(
      this.#outputs.filter(({ name, source }) => name !== source).map(({ name, source }) => [source, name]),
    );
    const nodes = names.size === 0 ? [...this.#nodes] : this.#nodes.map((node) => renamedNode(node, names));
    const ends = new Set([...this.#inputs.map(({ name }) => name), ...this.#outputs.map(({ source }) => source)]);
    const between = [...this.#facts].filter(
      ([name, of]) => !ends.has(name) && !this.#initializers.has(name) && of.dtype !== 'undefined',
    );
    return {
      name: this.name,
      nodes,
      initializers: new Map(this.#initializers),
      inputs: [...this.#inputs],
      outputs: this.#outputs.map(({ name, source }) => infoOf(name, this.#facts.get(source)!)),
      valueInfo: new Map(between.map(([name, of]) => [name, infoOf(name, of)])),
    };
  }

  /** A model around the graph, with the opsets and functions that this builder goes by. */
  model(options: ModelOptions = {}): Model {
    const { opsets, functions } = this.#shared;
    return modelOf(this.build(), { opsets, functions, ...options });
  }

  /** The same as {@link build}; reads well where a body is given as an attribute. */
  graph(): Graph {
    return this.build();
  }

  /**
   * Puts all nodes of an existing graph into this one. Returns old name → value for every value of that graph.
   * Names stay where they are free. Graph inputs are bound to `inputs` by name, or become inputs of this graph. Outputs are not declared.
   */
  append(graph: Graph, options: AppendOptions = {}): ReadonlyMap<string, Value> {
    return appendGraph(this, graph, options);
  }

  /** A value by name, of this graph or an enclosing one. */
  value(name: string): Value | undefined {
    const of = this.factOf(name);
    return of && { name, dtype: of.dtype, shape: of.shape };
  }

  /** All that is known about a value, its elements included. */
  factOf(name: string): Fact | undefined {
    return this.#facts.get(name) ?? this.#parent?.factOf(name);
  }

  /** The elements of a small integer value, as far as known: how shapes computed in the graph can be followed. */
  elementsOf(value: Value): readonly Dim[] | undefined {
    return this.#known(value).values;
  }

  /** The tensor of a constant or initializer, of this graph or an enclosing one. */
  tensor(name: string): Tensor | undefined {
    return this.#initializers.get(name) ?? this.#parent?.tensor(name);
  }

  /** A name that nothing in the root graph has. */
  fresh(stem: string): string {
    const { names, counters } = this.#shared;
    let name = stem;
    let count = counters.get(stem) ?? 0;
    while (names.has(name)) name = `${stem}_${(count += 1)}`;
    counters.set(stem, count);
    names.add(name);
    return name;
  }

  /** Whether nothing has this name yet. */
  isFree(name: string): boolean {
    return !this.#shared.names.has(name);
  }

  /** Adds a finished node whose names are already right; used by {@link append}. */
  addNode(node: Node, declared: ReadonlyMap<string, ValueInfo>): void {
    const facts = node.inputs.map((name) => (name === '' ? undefined : this.factOf(name)));
    const inferred = inferNode(node, facts, this.#surroundings());
    this.#nodes.push({ ...node, name: this.#freshNodeName(node.name) });
    for (const [i, name] of node.outputs.entries()) {
      if (name === '') continue;
      this.#shared.names.add(name);
      this.#produced.add(name);
      const info = declared.get(name);
      const known = inferred[i]!;
      this.#define(
        name,
        (known.dtype === 'undefined' || known.shape === undefined) && info && !known.type ? factOfInfo(info) : known,
      );
    }
  }

  #add(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeInput>>,
    options: OpOptions & { readonly count: number },
  ): readonly Value[] {
    const { domain = '', count } = options;
    for (const value of inputs) if (value) this.#known(value);
    const name = this.fresh(options.name ?? opType.toLowerCase());
    const outputs = Array.from({ length: count }, (_, i) => (i === 0 ? name : this.fresh(`${name}_${i}`)));
    const node: Node = {
      name,
      opType,
      domain,
      inputs: withoutTrailing(inputs.map((value) => value?.name ?? '')),
      outputs,
      attributes: attributesFrom(attributes, opType),
    };
    const stated = new Map(
      options.outputs?.map(({ dtype, shape }, i) => [outputs[i]!, { name: outputs[i]!, dtype, shape }]),
    );
    if (stated.size === 0 && !isInferable(opType, domain) && !this.#isFunction(opType, domain))
      throw new SanderlingError(
        'UNSUPPORTED',
        `nothing is known of the operator ${domain ? `${domain}.` : ''}${opType}`,
        {
          where: name,
          fix: 'state its output types with the option `outputs`',
        },
      );
    this.addNode(node, stated);
    return outputs.map((output) => this.value(output)!);
  }

  /** Node names are a space of their own, in which the runtime wants no name twice. */
  #freshNodeName(wanted: string): string {
    const { nodeNames } = this.#shared;
    let name = wanted;
    for (let i = 1; name !== '' && nodeNames.has(name); i += 1) name = `${wanted}_${i}`;
    nodeNames.add(name);
    return name;
  }

  #isFunction(opType: string, domain: string): boolean {
    return this.#shared.functions.some((fn) => fn.name === opType && fn.domain === domain);
  }

  #surroundings() {
    const { opsets, functions } = this.#shared;
    return { opsets, functions, outer: (name: string) => this.factOf(name) };
  }

  #claim(name: string): void {
    if (name === '' || this.#shared.names.has(name))
      throw new SanderlingError(
        'ALREADY_EXISTS',
        name === '' ? 'a value needs a name' : `the name "${name}" is taken`,
        { where: this.name },
      );
    this.#shared.names.add(name);
  }

  #define(name: string, of: Fact): Value {
    this.#facts.set(name, of);
    return { name, dtype: of.dtype, shape: of.shape };
  }

  #known(value: Value): Fact {
    const of = this.factOf(value.name);
    if (of) return of;
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the value "${value.name}" ${shapeText(value.shape)} is not of this graph`,
      {
        where: this.name,
      },
    );
  }
}

function newShared({ opset = defaultOpset, opsets = new Map(), functions = [] }: BuilderOptions): Shared {
  return {
    names: new Set(),
    nodeNames: new Set(),
    counters: new Map(),
    constants: new Map(),
    opsets: new Map([['com.microsoft', 1], ...opsets, ['', opset]]),
    functions,
  };
}

function withoutTrailing(names: readonly string[]): readonly string[] {
  const last = names.findLastIndex((name) => name !== '');
  return names.slice(0, last + 1);
}
