// Lowering: a prepared ONNX model becomes a program of layers over values of known type and size.
import { SanderlingError } from '@sanderling/kit';
import { typedData, type Fact, type Model, type Node, type Tensor } from '@sanderling/onnx';
import { bytesOf, isElementType, type Layer, type Program, type Role, type Value } from './ir.ts';
import type { OperatorRule } from './operators/rule.ts';
import { operators } from './operators/table.ts';
import type { GenerateOptions, SettledOptions } from './options.ts';
import { settled } from './options.ts';
import { prepare, type Prepared } from './prepare.ts';
import { nodeName, unsupported } from './problems.ts';
import { withIntegerLayers } from './quantised/islands.ts';

/**
 * Lowers a model.
 * @throws UNSUPPORTED naming node, operator and what to do; INVALID_MODEL; INVALID_ARGUMENT; TOO_LARGE.
 */
export async function lower(model: Model, options: GenerateOptions = {}): Promise<Program> {
  const choice = settled(options);
  return withIntegerLayers(programOf(await prepare(model, choice), choice));
}

class Values {
  readonly all: Value[] = [];
  readonly #byName = new Map<string, Value>();
  readonly #prepared: Prepared;
  readonly #outputs: ReadonlySet<string>;

  constructor(prepared: Prepared) {
    this.#prepared = prepared;
    const { outputs } = prepared.model.graph;
    this.#outputs = new Set(outputs.map(({ name }) => name).filter((name) => !prepared.hidden.has(name)));
  }

  define(name: string, role: Role, data?: Tensor): Value {
    const fact = this.#prepared.facts.get(name);
    const { dtype, dims } = data ? { dtype: data.dtype, dims: data.dims } : sized(name, fact);
    if (!isElementType(dtype))
      throw new SanderlingError('UNSUPPORTED', `"${name}" has elements of type ${dtype}`, {
        where: name,
        fix: 'convert the model to float32 before generating code',
      });
    const shown = role === 'temporary' && this.#outputs.has(name) ? 'output' : role;
    const value: Value = { id: this.all.length, name, dtype, dims, role: shown, ...(data ? { data } : {}) };
    if (dims.includes(0) && role !== 'constant')
      throw new SanderlingError('UNSUPPORTED', `"${name}" has no elements: [${dims.join(', ')}]`, {
        where: name,
        fix: 'C has no arrays of size 0: give every dimension at least one element',
      });
    this.all.push(Object.freeze(value));
    this.#byName.set(name, value);
    return value;
  }

  get(name: string, node: Node): Value | undefined {
    if (name === '') return undefined;
    const value = this.#byName.get(name);
    if (value) return value;
    const data = this.#prepared.model.graph.initializers.get(name);
    if (data) return this.define(name, 'constant', data);
    throw new SanderlingError(
      'INVALID_MODEL',
      `${node.opType} "${nodeName(node)}" reads "${name}", which nothing makes`,
      {
        where: nodeName(node),
      },
    );
  }
}

function sized(name: string, fact: Fact | undefined): { dtype: string; dims: readonly number[] } {
  if (fact?.type && fact.type.kind !== 'tensor')
    throw new SanderlingError('UNSUPPORTED', `"${name}" is a ${fact.type.kind}, not a tensor`, {
      where: name,
      fix: 'use tensors only',
    });
  if (fact?.shape?.every((dim) => typeof dim === 'number')) {
    if (fact.shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0))
      return { dtype: fact.dtype, dims: fact.shape };
    throw new SanderlingError('INVALID_MODEL', `"${name}" has the impossible shape [${fact.shape.join(', ')}]`, {
      where: name,
    });
  }
  throw new SanderlingError('UNSUPPORTED', `the size of "${name}" depends on what the model is fed`, {
    where: name,
    fix: 'fix symbolic dimensions with the options batch and sizes, or bind the input that it depends on',
  });
}

function programOf(prepared: Prepared, options: SettledOptions): Program {
  const { graph, opsets } = prepared.model;
  const values = new Values(prepared);
  const inputs = graph.inputs.map(({ name }) => values.define(name, prepared.states.has(name) ? 'state' : 'input'));
  const read = new Set([...graph.outputs.map(({ name }) => name), ...graph.nodes.flatMap((node) => node.inputs)]);
  const layers = graph.nodes.map((node, index) => layerOf(node, index, { values, opsets, read }));
  const unknown = { opType: 'output' } as Node;
  const valueOf = (name: string): Value => values.get(name, { ...unknown, outputs: [name], name })!;
  const outputs = graph.outputs
    .filter(({ name }) => !prepared.hidden.has(name))
    .map(({ name }) => ({ name, value: valueOf(name) }));
  const states = inputs
    .filter(({ role }) => role === 'state')
    .map((input) => ({
      input,
      next: valueOf(prepared.states.get(input.name)!),
      initial: prepared.initial.get(input.name),
    }));
  for (const state of states) checkState(state);
  const constants = values.all
    .filter(({ role }) => role === 'constant')
    .reduce((sum, value) => sum + bytesOf(value), 0);
  if (constants > options.maxBytes)
    throw new SanderlingError('TOO_LARGE', `the constants take ${constants} bytes and ${options.maxBytes} are allowed`);
  return Object.freeze({
    name: options.name,
    values: Object.freeze(values.all),
    layers: Object.freeze(layers),
    inputs: Object.freeze(inputs.filter(({ role }) => role === 'input')),
    outputs: Object.freeze(outputs),
    states: Object.freeze(states),
  });
}

/** Data inputs have one element type, unless the rule says otherwise. */
function checkTypes(layer: Layer, { typed = 0, mixed = [], constants = [] }: OperatorRule): void {
  const wanted = layer.inputs[typed]?.dtype;
  for (const [i, value] of layer.inputs.entries()) {
    if (!value || i === typed || mixed.includes(i) || constants.includes(i) || value.dtype === wanted) continue;
    unsupported(layer.node, `inputs of types ${wanted} and ${value.dtype}`, 'cast them to one type');
  }
}

function checkState({ input, next, initial }: { input: Value; next: Value; initial: Tensor | undefined }): void {
  if (next.role === 'state' && next !== input)
    throw new SanderlingError('UNSUPPORTED', `state: "${input.name}" becomes the input "${next.name}" itself`, {
      where: input.name,
      fix: 'put an Identity between them',
    });
  const same = (a: { dtype: string; dims: readonly number[] }): boolean =>
    a.dtype === input.dtype && a.dims.join() === input.dims.join();
  if (!same(next) || (initial && !same(initial)))
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `state: "${input.name}" and what it becomes differ in type or shape`,
      {
        where: input.name,
      },
    );
}

function layerOf(
  node: Node,
  index: number,
  { values, opsets, read }: { values: Values; opsets: ReadonlyMap<string, number>; read: ReadonlySet<string> },
): Layer {
  const rule = node.domain === '' && Object.hasOwn(operators, node.opType) ? operators[node.opType] : undefined;
  if (!rule)
    unsupported(
      node,
      `no C is generated for this operator${node.domain === '' ? '' : ` of the domain ${node.domain}`}`,
      'express it with operators of packages/micro/OPERATORS.md, or run this part of the model elsewhere',
    );
  const inputs = node.inputs.map((name) => values.get(name, node));
  for (const [i, input] of inputs.entries())
    if (rule.constants?.includes(i) && input && input.role !== 'constant')
      unsupported(
        node,
        `its input ${i} ("${input.name}") must be constant`,
        'make it an initializer, or bind it with the option bind',
      );
  const wanted = (name: string): boolean => name !== '' && (rule.optionalOutputs !== true || read.has(name));
  const outputs = node.outputs.map((name) => (wanted(name) ? values.define(name, 'temporary') : undefined));
  const { required = 1 } = rule;
  for (let i = 0; i < required; i += 1)
    if (!inputs[i])
      throw new SanderlingError('INVALID_MODEL', `${node.opType} "${nodeName(node)}" lacks its input ${i}`, {
        where: nodeName(node),
      });
  for (const value of inputs) if (value?.data?.external) typedData(value.data);
  const layer: Layer = Object.freeze({
    index,
    name: nodeName(node),
    operator: node.opType,
    node,
    opset: opsets.get('') ?? 21,
    inputs: Object.freeze(inputs),
    outputs: Object.freeze(outputs),
  });
  const { types = ['float32', 'float64'] } = rule;
  const odd = [inputs[rule.typed ?? 0]].find((value) => value && !types.includes(value.dtype));
  if (odd) unsupported(node, `elements of type ${odd.dtype}`, `use ${types.join(', ')}`);
  checkTypes(layer, rule);
  rule.check?.(layer);
  return layer;
}
