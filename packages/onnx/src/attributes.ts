// Reading attributes of a node with their kind checked and a default at hand.
import { SanderlingError } from '@sanderling/kit';
import type { Attribute, AttributeValue, Graph, Node, Tensor } from './ir.ts';

type ValueOf<K extends AttributeValue['type']> = Extract<AttributeValue, { type: K }>['value'];

function read<K extends AttributeValue['type']>(node: Node, name: string, kind: K): ValueOf<K> | undefined {
  const attribute: Attribute | undefined = node.attributes[name];
  if (attribute === undefined || attribute.type === 'reference') return undefined;
  if (attribute.type === kind) return attribute.value as never;
  throw new SanderlingError(
    'INVALID_MODEL',
    `${node.opType} "${node.name}": the attribute "${name}" is of kind ${attribute.type} instead of ${kind}`,
    { where: node.name },
  );
}

/** An integer attribute as a number (beyond 2^53 rounded). @throws INVALID_MODEL for another kind, as all readers here. */
export function intAttribute(node: Node, name: string): number | undefined;
export function intAttribute(node: Node, name: string, fallback: number): number;
export function intAttribute(node: Node, name: string, fallback?: number): number | undefined {
  const value = read(node, name, 'int');
  return value === undefined ? fallback : Number(value);
}

/** A list of integers. */
export function intsAttribute(node: Node, name: string): readonly number[] | undefined;
export function intsAttribute(node: Node, name: string, fallback: readonly number[]): readonly number[];
export function intsAttribute(node: Node, name: string, fallback?: readonly number[]): readonly number[] | undefined {
  return read(node, name, 'ints')?.map(Number) ?? fallback;
}

/** A floating-point number. */
export function floatAttribute(node: Node, name: string): number | undefined;
export function floatAttribute(node: Node, name: string, fallback: number): number;
export function floatAttribute(node: Node, name: string, fallback?: number): number | undefined {
  return read(node, name, 'float') ?? fallback;
}

/** A list of floating-point numbers. */
export function floatsAttribute(node: Node, name: string): readonly number[] | undefined {
  return read(node, name, 'floats');
}

/** A text attribute; bytes that are no UTF-8 count as absent. */
export function stringAttribute(node: Node, name: string): string | undefined;
export function stringAttribute(node: Node, name: string, fallback: string): string;
export function stringAttribute(node: Node, name: string, fallback?: string): string | undefined {
  const value = read(node, name, 'string');
  return typeof value === 'string' ? value : fallback;
}

/** A tensor. */
export function tensorAttribute(node: Node, name: string): Tensor | undefined {
  return read(node, name, 'tensor');
}

/** A graph: the body of If, Loop or Scan. */
export function graphAttribute(node: Node, name: string): Graph | undefined {
  return read(node, name, 'graph');
}

/** All graphs that a node carries, by attribute name (lists as `name[i]`). */
export function subgraphsOf(node: Node): readonly (readonly [string, Graph])[] {
  return Object.entries(node.attributes).flatMap(([name, attribute]): (readonly [string, Graph])[] => {
    if (attribute.type === 'graph') return [[name, attribute.value]];
    return attribute.type === 'graphs' ? attribute.value.map((graph, i) => [`${name}[${i}]`, graph]) : [];
  });
}
