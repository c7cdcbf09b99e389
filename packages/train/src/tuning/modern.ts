// Imported graphs in the forms of today's opset, so that there is one set of gradient rules.
import { SanderlingError } from '@sanderling/kit';
import {
  foldShapes,
  inlineFunctions,
  intsAttribute,
  tensorOf,
  type Graph,
  type Model,
  type Node,
  type Tensor,
} from '@sanderling/onnx';

/** The opsets that can be read here; before 13 too many operators had other forms. */
const [oldest, newest] = [13, 26];

/** A node as it is written today, and constants that it needs. */
interface Modern {
  readonly node: Node;
  readonly constants?: ReadonlyMap<string, Tensor>;
}

/** Reductions took their axes as an attribute before opset 18. */
function axesAsInput(node: Node): Modern {
  const axes = intsAttribute(node, 'axes');
  if (axes === undefined || node.inputs[1] !== undefined) return { node };
  const name = `${node.outputs[0]}/axes`;
  const { axes: _axes, ...attributes } = node.attributes;
  return {
    node: { ...node, inputs: [node.inputs[0] ?? '', name], attributes },
    constants: new Map([[name, tensorOf('int64', [axes.length], axes)]]),
  };
}

/** An equal split was told by its number of outputs alone before opset 18. */
function splitCount(node: Node): Modern {
  if (node.inputs[1] !== undefined || node.attributes['num_outputs'] !== undefined) return { node };
  return {
    node: { ...node, attributes: { ...node.attributes, num_outputs: { type: 'int', value: node.outputs.length } } },
  };
}

const changes: Readonly<Record<string, (node: Node) => Modern>> = {
  ReduceMean: axesAsInput,
  ReduceMax: axesAsInput,
  ReduceMin: axesAsInput,
  ReduceL1: axesAsInput,
  ReduceL2: axesAsInput,
  ReduceSumSquare: axesAsInput,
  ReduceLogSumExp: axesAsInput,
  Split: splitCount,
};

/**
 * The graph of a model with its functions written out, what it computes of shapes alone as constants, and its nodes in today's forms.
 * @throws UNSUPPORTED for an opset outside 13 … 26.
 */
export function modernGraph(model: Model): Graph {
  const opset = model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 0;
  if (opset < oldest || opset > newest) {
    throw new SanderlingError('UNSUPPORTED', `opset ${opset} cannot be trained, only ${oldest} to ${newest}`, {
      where: 'opset',
      fix: 'export the model again with a newer opset',
    });
  }
  const { graph } = foldShapes(inlineFunctions(model));
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((old) => {
    const { node, constants = new Map<string, Tensor>() } = changes[old.opType]?.(old) ?? { node: old };
    for (const [name, tensor] of constants) initializers.set(name, tensor);
    return node;
  });
  return { ...graph, nodes, initializers };
}
