// The checker: whether ONNX Runtime 1.30 would take a model, and if not, what is wrong with which node.
import { SanderlingError } from '@sanderling/kit';
import { inferGraph } from '../infer/infer.ts';
import type { Fact } from '../infer/facts.ts';
import type { Graph, Model, ModelFunction, Node, ValueType } from '../ir.ts';
import { signatureOf, type InputType } from './operators.ts';
import type { Problem } from './problems.ts';
import { checkGraph, nodeName, type Scope } from './structure.ts';

/** What ONNX Runtime 1.30 reads and runs. */
export const supported = { irVersions: [1, 13], opsets: [7, 26] } as const;

/** Problems are cut off here, so that a hostile file cannot fill memory with them. */
const mostProblems = 1000;

const deepestCalls = 64;

/** Everything that is wrong with a model, in file order. An empty list means that nothing was found. */
export function checkModel(model: Model): readonly Problem[] {
  const problems = new Map<string, Problem>();
  const report = (problem: Problem): void => {
    // A loop's body may be looked at twice.
    if (problems.size < mostProblems) problems.set(`${problem.code} ${problem.path} ${problem.message}`, problem);
  };
  checkVersions(model, report);
  const own = new Set(model.functions.map(({ domain, name }) => `${domain}.${name}`));
  const scope: Scope = { own, opsets: model.opsets, path: 'main', visible: new Set(), report };
  checkGraph(model.graph, scope);
  for (const fn of model.functions) checkFunction(fn, scope);
  checkRecursion(model, report);
  if (![...problems.values()].some(({ code }) => code === 'RECURSIVE_FUNCTION')) checkTypes(model, report);
  return [...problems.values()];
}

/** @throws INVALID_MODEL with the first errors in the message and all of them in `details.problems`. */
export function assertValid(model: Model): void {
  const errors = checkModel(model).filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return;
  const first = errors[0]!;
  throw new SanderlingError(
    'INVALID_MODEL',
    errors
      .slice(0, 3)
      .map(({ message }) => message)
      .join('; '),
    {
      where: first.node ?? first.value ?? first.path,
      details: { problems: errors },
    },
  );
}

type ReportProblem = Scope['report'];

function checkVersions(model: Model, report: ReportProblem): void {
  const say = (code: Problem['code'], message: string): void =>
    report({ code, severity: 'error', message, path: 'main' });
  const [least, most] = supported.irVersions;
  if (model.irVersion < least || model.irVersion > most)
    say('IR_OUT_OF_RANGE', `IR version ${model.irVersion} is not among ${least} to ${most}`);
  const opset = model.opsets.get('');
  if (opset !== undefined && (opset < supported.opsets[0] || opset > supported.opsets[1]))
    say('OPSET_OUT_OF_RANGE', `opset ${opset} is not among ${supported.opsets[0]} to ${supported.opsets[1]}`);
  if (model.opsets.size === 0) say('MISSING_OPSET', 'no opset is imported');
  if (model.graph.outputs.length === 0) say('NO_OUTPUTS', 'the graph has no outputs');
}

function checkFunction(fn: ModelFunction, scope: Scope): void {
  const info = (name: string) => ({ name, dtype: 'undefined' as const, shape: undefined });
  const graph: Graph = {
    name: fn.name,
    nodes: fn.nodes,
    initializers: new Map(),
    inputs: fn.inputs.map(info),
    outputs: fn.outputs.map(info),
    valueInfo: fn.valueInfo,
  };
  checkGraph(graph, { ...scope, opsets: fn.opsets, path: `function ${fn.domain}.${fn.name}`, visible: new Set() });
}

function checkRecursion({ functions }: Model, report: ReportProblem): void {
  const key = (domain: string, name: string): string => `${domain}.${name}`;
  const calls = new Map(
    functions.map((fn) => [key(fn.domain, fn.name), fn.nodes.map((node) => key(node.domain, node.opType))]),
  );
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): void => {
    const circle = trail.includes(name);
    if (circle || trail.length >= deepestCalls) {
      const how = circle
        ? `calls itself: ${[...trail, name].join(' → ')}`
        : `is called more than ${deepestCalls} functions deep`;
      const message = `the function ${name} ${how}`;
      return report({ code: 'RECURSIVE_FUNCTION', severity: 'error', path: `function ${name}`, message });
    }
    if (done.has(name) || !calls.has(name)) return;
    for (const called of calls.get(name)!) visit(called, [...trail, name]);
    done.add(name);
  };
  for (const name of calls.keys()) visit(name, []);
}

/** Infers the whole model and holds every node's inputs against its operator's types. */
function checkTypes(model: Model, report: ReportProblem): void {
  const about = (node: Node, code: Problem['code'], message: string, path: string): void => {
    // The runtime goes by what it infers itself, and warns.
    const severity = code === 'WRONG_DECLARATION' ? 'warning' : 'error';
    report({ code, severity, path, message, node: nodeName(node), operator: node.opType });
  };
  inferGraph(model.graph, [], {
    opsets: model.opsets,
    functions: model.functions,
    outer: () => undefined,
    failed: (node, error, path) => about(node, 'WRONG_SHAPE', error.message, path),
    contradicted: (node, message, path) =>
      about(node, 'WRONG_DECLARATION', `${node.opType} "${nodeName(node)}": ${message}`, path),
    visit: (node, inputs, _, path) => {
      for (const message of typeErrors(node, inputs, model.opsets)) about(node, 'WRONG_TYPE', message, path);
    },
  });
}

function typeErrors(
  node: Node,
  inputs: readonly (Fact | undefined)[],
  opsets: ReadonlyMap<string, number>,
): readonly string[] {
  const signature = signatureOf(node.domain, node.opType, opsets.get(node.domain) ?? 0);
  if (signature === undefined || signature === 'newer') return [];
  const bound = new Map<string, string>();
  return inputs.flatMap((of, i) => {
    const wanted = signature.inputTypes[Math.min(i, signature.inputTypes.length - 1)];
    const type = of && typeName(of);
    if (!wanted || type === undefined || (i >= signature.inputTypes.length && !wanted.variadic)) return [];
    const message = typeError(type, wanted, bound);
    return message ? [`${node.opType} "${nodeName(node)}": input ${i} is ${type} ${message}`] : [];
  });
}

function typeError(type: string, wanted: InputType, bound: Map<string, string>): string | undefined {
  if (wanted.types && !wanted.types.has(type)) return `and the operator takes ${listed(wanted.types)}`;
  if (wanted.parameter === undefined) return undefined;
  const before = bound.get(wanted.parameter);
  bound.set(wanted.parameter, before ?? type);
  return before !== undefined && before !== type ? `and an input before it ${before}` : undefined;
}

function listed(types: ReadonlySet<string>): string {
  const names = [...types];
  return names.length > 6 ? `${names.slice(0, 6).join(', ')} …` : names.join(', ');
}

/** A fact's type as the operator table writes it; undefined where unknown. */
function typeName(of: Fact): string | undefined {
  if (of.type) return nestedName(of.type);
  return of.dtype === 'undefined' ? undefined : of.dtype;
}

function nestedName(type: ValueType): string | undefined {
  switch (type.kind) {
    case 'tensor':
      return type.dtype === 'undefined' ? undefined : `tensor(${type.dtype})`;
    case 'sequence':
    case 'optional': {
      const inner = nestedName(type.of);
      return inner && `${type.kind === 'sequence' ? 'seq' : 'optional'}(${inner})`;
    }
    case 'map':
    case 'sparse':
    case 'opaque':
      return undefined;
  }
}
