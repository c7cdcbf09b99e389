// A network: a finished graph in its inference form, and which of its constants are learnt.
import { SanderlingError } from '@sanderling/kit';
import type { Graph, Tensor } from '@sanderling/onnx';

/** What is trained: an inference graph whose learnt numbers are initializers. Training never changes the graph, it gives new initializers. */
export interface Network {
  readonly graph: Graph;
  /** Initializers that the optimiser changes. */
  readonly parameters: readonly string[];
  /** Initializers that training follows without gradients: running means and variances. */
  readonly buffers: readonly string[];
}

/** A graph with other numbers in some of its initializers. @throws INVALID_ARGUMENT for a name it does not have or another shape. */
export function withInitializers(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Graph {
  const initializers = new Map(graph.initializers);
  for (const [name, tensor] of tensors) {
    const old = initializers.get(name);
    if (old === undefined || old.dims.join() !== tensor.dims.join()) {
      throw new SanderlingError(
        'INVALID_ARGUMENT',
        `graph ${graph.name} has no initializer ${name} of shape [${tensor.dims.join(', ')}]`,
        { where: name },
      );
    }
    initializers.set(name, tensor);
  }
  return { ...graph, initializers };
}

/** How many numbers the optimiser changes. */
export function parameterCount({ graph, parameters }: Network): number {
  const count = (name: string) => graph.initializers.get(name)?.dims.reduce((all, dim) => all * dim, 1) ?? 0;
  return parameters.reduce((sum, name) => sum + count(name), 0);
}
