// Errors that name the node, its operator and what to do.
import { SanderlingError } from '@sanderling/kit';
import type { Node } from '@sanderling/onnx';

/** What a node is called: its name, or its first output where it has none. */
export function nodeName(node: Node): string {
  return node.name === '' ? (node.outputs.find((name) => name !== '') ?? node.opType) : node.name;
}

/** Refuses a node that generated code cannot express. */
export function unsupported(node: Node, what: string, fix: string): never {
  const name = nodeName(node);
  throw new SanderlingError('UNSUPPORTED', `${node.opType} "${name}": ${what}`, {
    where: name,
    fix,
    details: { operator: node.opType },
  });
}

/** Refuses a node that breaks a rule of ONNX. */
export function invalid(node: Node, what: string): never {
  const name = nodeName(node);
  throw new SanderlingError('INVALID_MODEL', `${node.opType} "${name}": ${what}`, { where: name });
}
