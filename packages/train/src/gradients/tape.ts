// Reverse-mode differentiation of finished graphs (Griewank & Walther, Evaluating Derivatives, ch. 3): a graph is written into a builder
// node by node while a tape remembers what depends on the parameters; gradients are then pulled back from the end of the tape.
import { SanderlingError } from '@sanderling/kit';
import {
  readsOf,
  renamedNode,
  type DataType,
  type Graph,
  type GraphBuilder,
  type Node,
  type Value,
} from '@sanderling/onnx';
import { Algebra, dimsOf } from '../algebra.ts';
import { labelOf, unsupported, type Call, type GradientRule, type Gradients, type Training } from './rule.ts';
import { gradientRule } from './table.ts';

interface Entry {
  readonly rule: GradientRule;
  readonly call: Call;
}

/** Refuses randomness: for graphs that are differentiated outside training. */
const still: Training = {
  uniform: () => {
    throw new SanderlingError('UNSUPPORTED', 'Dropout needs a training step around it');
  },
  follows: () => false,
  update: () => undefined,
};

/** Writes graphs into a builder and gives gradients of what they compute. */
export class Tape {
  readonly m: Algebra;
  readonly #training: Training;
  readonly #entries: Entry[] = [];
  readonly #active = new Set<string>();

  /** @param training Where Dropout finds its random numbers and running statistics go. */
  constructor(scope: GraphBuilder, training: Training = still) {
    this.m = new Algebra(scope);
    this.#training = training;
  }

  /** Says with respect to what gradients will be asked. Must be called before the graphs that use these values are recorded. */
  watch(values: Iterable<Value>): void {
    for (const value of values) this.#active.add(value.name);
  }

  /**
   * Writes a graph. `bind` gives values to its inputs and to those initializers that are parameters; other initializers become constants.
   * Parts that depend on nothing watched are written as they are, so frozen layers cost no more than in inference.
   * @returns Every named value of the graph.
   * @throws UNSUPPORTED naming operator and node, when a node on the way from a watched value has no gradient rule.
   * @throws INVALID_ARGUMENT when an input has no value.
   */
  record(graph: Graph, bind: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
    const values = new Map(bind);
    for (const [name, tensor] of graph.initializers) {
      if (!values.has(name)) values.set(name, this.m.scope.constant(tensor));
    }
    for (const { name } of graph.inputs) {
      if (values.has(name)) continue;
      throw new SanderlingError('INVALID_ARGUMENT', `input ${name} of graph ${graph.name} has no value`, {
        where: name,
      });
    }
    for (const node of graph.nodes) this.#emit(node, values);
    return values;
  }

  /** Gradients of a scalar, in the order asked; zeros where it does not depend on a value. */
  gradients(of: Value, withRespectTo: readonly Value[]): Value[] {
    const sums = new Map<string, Value>([[of.name, this.m.number(1, of.dtype)]]);
    for (const { rule, call } of this.#entries.toReversed()) {
      const dy = call.outputs.map((value) => (value === undefined ? undefined : sums.get(value.name)));
      if (dy.every((gradient) => gradient === undefined)) continue;
      this.#accumulate(sums, call, rule.pull(call, dy));
    }
    return withRespectTo.map((value) => sums.get(value.name) ?? this.m.zeros(dimsOf(value), value.dtype));
  }

  #accumulate(sums: Map<string, Value>, call: Call, gradients: Gradients): void {
    call.inputs.forEach((input, i) => {
      const gradient = gradients[i];
      if (input === undefined || gradient === undefined || !this.#active.has(input.name)) return;
      const sum = sums.get(input.name);
      sums.set(input.name, sum === undefined ? gradient : this.m.add(sum, gradient));
    });
  }

  #emit(given: Node, values: Map<string, Value>): void {
    const read = new Map([...readsOf(given)].map((name) => [name, valueNamed(values, name, given)]));
    const inputs = given.inputs.map((name) => read.get(name));
    const active = [...read.values()].some(({ name }) => this.#active.has(name));
    const node = capturing(given, read);
    const rule = gradientRule(node.opType, node.domain);
    const outputs = active && rule !== undefined ? this.#record(node, inputs, rule) : this.#write(node, inputs);
    if (active && rule === undefined && outputs.some(isSmooth)) throw unsupported(node, 'has no gradient rule');
    node.outputs.forEach((name, i) => {
      const value = outputs[i];
      if (name !== '' && value !== undefined) values.set(name, value);
    });
  }

  /** Writes a node in its training form and remembers how to pull gradients back through it. */
  #record(node: Node, inputs: Call['inputs'], rule: GradientRule): readonly (Value | undefined)[] {
    const call = {
      node,
      m: this.m,
      inputs,
      outputs: [] as readonly (Value | undefined)[],
      saved: {} as Readonly<Record<string, Value>>,
      block: this.#training.block ?? 0,
      wants: (i: number) => this.#active.has(inputs[i]?.name ?? ''),
      constant: (i: number) => this.m.scope.tensor(inputs[i]?.name ?? ''),
    };
    const trained = rule.train?.(call, this.#training) ?? { outputs: this.#write(node, inputs) };
    call.outputs = trained.outputs;
    call.saved = trained.saved ?? {};
    const same = new Set(inputs.map((input) => input?.name));
    if (!trained.outputs.some((output) => output !== undefined && !same.has(output.name))) return trained.outputs;
    for (const output of trained.outputs) if (isSmooth(output)) this.#active.add(output.name);
    this.#entries.push({ rule, call });
    return trained.outputs;
  }

  /** Writes a node as it is. */
  #write(node: Node, inputs: Call['inputs']): readonly (Value | undefined)[] {
    if (node.opType === 'Constant' && node.attributes['value']?.type === 'tensor') {
      return [this.m.scope.constant(node.attributes['value'].value)];
    }
    const count = node.outputs.findLastIndex((name) => name !== '') + 1;
    return this.m.scope.ops(node.opType, inputs, node.attributes, { count, domain: node.domain });
  }
}

const indices: ReadonlySet<string> = new Set<DataType>(['bool', 'int32', 'int64', 'uint32', 'uint64', 'string']);

/** Whether a gradient can pass: shapes, indices and comparisons depend on nothing smoothly. Codes of 16 bits and fewer do, straight through their rounding. */
function isSmooth(value: Value | undefined): value is Value {
  return value !== undefined && !indices.has(value.dtype);
}

/** A node whose bodies read values of the graphs around them, by the names that these have here. */
function capturing(node: Node, read: ReadonlyMap<string, Value>): Node {
  const names = new Map([...read].filter(([name]) => !node.inputs.includes(name)).map(([name, to]) => [name, to.name]));
  if (names.size === 0) return node;
  const { attributes } = renamedNode({ ...node, inputs: [], outputs: [] }, names);
  return { ...node, attributes };
}

function valueNamed(values: ReadonlyMap<string, Value>, name: string, node: Node): Value {
  const value = values.get(name);
  if (value !== undefined) return value;
  throw new SanderlingError(
    'INVALID_MODEL',
    `${node.opType} (${labelOf(node)}) reads ${name}, which nothing has written`,
    { where: name },
  );
}
