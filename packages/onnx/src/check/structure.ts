// The checks that need no inference: names, order, operators, arity, attributes.
import { subgraphsOf } from '../attributes.ts';
import type { Graph, Node } from '../ir.ts';
import { readsOf, topologicalOrder } from '../order.ts';
import { knowsDomain, signatureOf, type Signature } from './operators.ts';
import type { Problem, ProblemCode } from './problems.ts';

/** What the structural checks know around a graph. */
export interface Scope {
  readonly opsets: ReadonlyMap<string, number>;
  readonly path: string;
  readonly visible: ReadonlySet<string>;
  readonly report: (problem: Problem) => void;
  /** The model's own operators, as `domain.name`. */
  readonly own: ReadonlySet<string>;
}

type Report = (code: ProblemCode, message: string, extra?: Partial<Problem>) => void;

/** A node for people: its name, or its first output. */
export function nodeName(node: Node): string {
  return node.name === '' ? (node.outputs.find((name) => name !== '') ?? '(unnamed)') : node.name;
}

/** Checks a graph and, below it, the bodies of its nodes. */
export function checkGraph(graph: Graph, scope: Scope): void {
  const report: Report = (code, message, extra) =>
    scope.report({ code, severity: 'error', message, path: scope.path, ...extra });
  const made = definitions(graph, scope, report);
  const visible = new Set([...scope.visible, ...made]);
  for (const node of graph.nodes) {
    const say = aboutNode(node, report);
    checkOperator(node, scope, say);
    for (const name of node.inputs)
      if (name !== '' && !visible.has(name))
        say('UNDEFINED_INPUT', `reads "${name}", which nothing makes`, { value: name });
  }
  for (const { name } of graph.outputs)
    if (!visible.has(name))
      report('UNDEFINED_OUTPUT', `the output "${name}" is a value that nothing makes`, { value: name });
  checkOrder(graph, report);
  for (const node of graph.nodes)
    for (const [name, body] of subgraphsOf(node))
      checkGraph(body, { ...scope, path: `${scope.path}/${nodeName(node)}.${name}`, visible });
}

function aboutNode(node: Node, report: Report): Report {
  const [name, operator] = [nodeName(node), node.opType];
  return (code, message, extra) => report(code, `${operator} "${name}" ${message}`, { node: name, operator, ...extra });
}

function definitions(graph: Graph, scope: Scope, report: Report): ReadonlySet<string> {
  const made = new Set<string>();
  const define = (name: string, what: string): void => {
    if (name === '') report('MISSING_NAME', `${what} has no name`);
    else if (made.has(name) || scope.visible.has(name))
      report('DUPLICATE_NAME', `the name "${name}" is defined twice`, { value: name });
    made.add(name);
  };
  for (const { name } of graph.inputs) define(name, 'an input');
  // Files of IR version 3 and below list every initializer among the inputs too.
  for (const name of graph.initializers.keys()) if (!made.has(name)) define(name, 'an initializer');
  for (const { values } of graph.sparseInitializers ?? []) define(values.name ?? '', 'a sparse initializer');
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== '') define(name, 'an output');
  const outputs = new Set<string>();
  for (const { name } of graph.outputs) {
    if (outputs.has(name)) report('DUPLICATE_NAME', `the output "${name}" is declared twice`, { value: name });
    outputs.add(name);
  }
  const nodes = new Set<string>();
  for (const { name } of graph.nodes) {
    if (name !== '' && nodes.has(name)) report('DUPLICATE_NAME', `two nodes are called "${name}"`, { node: name });
    nodes.add(name);
  }
  return made;
}

function checkOrder(graph: Graph, report: Report): void {
  const { stuck } = topologicalOrder(graph.nodes);
  if (stuck.length > 0) {
    const names = stuck.slice(0, 8).map(nodeName).join(', ');
    return aboutNode(stuck[0]!, report)(
      'CYCLE',
      `is part of a circle or behind one: ${names}${stuck.length > 8 ? ' …' : ''}`,
    );
  }
  const later = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const node of graph.nodes) {
    for (const name of readsOf(node))
      if (later.has(name))
        aboutNode(node, report)('NOT_SORTED', `stands before the node that makes "${name}"`, { value: name });
    for (const name of node.outputs) later.delete(name);
  }
}

function checkOperator(node: Node, scope: Scope, say: Report): void {
  if (node.opType === '') return say('MISSING_NAME', 'has no operator');
  const own = scope.own.has(`${node.domain}.${node.opType}`);
  const opset = scope.opsets.get(node.domain);
  if (opset === undefined)
    return say('MISSING_OPSET', `is of the domain "${node.domain}", whose opset is not imported`);
  if (own) return;
  const signature = signatureOf(node.domain, node.opType, opset);
  if (signature === undefined || signature === 'newer') {
    const unsure = !knowsDomain(node.domain);
    const why = signature
      ? `exists only in later opsets than ${opset}`
      : unsure
        ? `is of the unknown domain "${node.domain}"`
        : `does not exist at opset ${opset}`;
    return say('UNKNOWN_OPERATOR', why, unsure ? { severity: 'warning' } : {});
  }
  if (signature.deprecated) return say('DEPRECATED_OPERATOR', `was withdrawn at opset ${signature.since}`);
  checkArity(node, signature, say);
  checkAttributes(node, signature, say);
}

function checkArity(node: Node, { inputs, outputs }: Signature, say: Report): void {
  const range = ([least, most]: readonly [number, number]): string =>
    least === most ? String(least) : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  const [given, made] = [node.inputs.length, node.outputs.length];
  if (given < inputs[0] || given > inputs[1]) say('WRONG_ARITY', `has ${given} inputs instead of ${range(inputs)}`);
  if (made < outputs[0] || made > outputs[1]) say('WRONG_ARITY', `has ${made} outputs instead of ${range(outputs)}`);
}

function checkAttributes(node: Node, { attributes }: Signature, say: Report): void {
  for (const [name, attribute] of Object.entries(node.attributes)) {
    const wanted = attributes.get(name);
    const kind = attribute.type === 'reference' ? attribute.of : attribute.type;
    if (!wanted) say('UNKNOWN_ATTRIBUTE', `has no attribute "${name}"`);
    else if (wanted.kind !== 'undefined' && wanted.kind !== kind)
      say('WRONG_ATTRIBUTE', `takes ${wanted.kind} for "${name}" and was given ${kind}`);
  }
  for (const [name, { required }] of attributes)
    if (required && !(name in node.attributes)) say('MISSING_ATTRIBUTE', `lacks the attribute "${name}"`);
}
