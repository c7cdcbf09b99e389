// From any ONNX model to one with known sizes and nothing left to fold: the model-to-model half of lowering.
import { SanderlingError } from '@sanderling/kit';
import {
  compose,
  foldBatchNorm,
  foldConstants,
  foldShapes,
  inferModel,
  pruneDead,
  removeNoOps,
  topologicalOrder,
  type Fact,
  type Graph,
  type Model,
  type Tensor,
} from '@sanderling/onnx';
import { carried } from './carry.ts';
import { elementTypes, isElementType } from './ir.ts';
import type { SettledOptions } from './options.ts';
import { nodeName } from './problems.ts';
import { protectCodes } from './quantised/protect.ts';
import { withPlainOperators } from './runtime-operators.ts';
import { sizedModel } from './sizes.ts';

/** A model that is ready to be lowered. */
export interface Prepared {
  readonly model: Model;
  /** Input → output pairs of values that live from call to call. */
  readonly states: ReadonlyMap<string, string>;
  /** What a state is after a reset, where that is not zeros. */
  readonly initial: ReadonlyMap<string, Tensor>;
  /** Outputs that only carry state and are not shown to the caller. */
  readonly hidden: ReadonlySet<string>;
  readonly facts: ReadonlyMap<string, Fact>;
}

/**
 * Gives every input a size, binds and carries what the options say, folds constants and batch normalisation, removes what does nothing.
 * @throws INVALID_MODEL, INVALID_ARGUMENT (a size that is not given), TOO_LARGE.
 */
export async function prepare(given: Model, options: SettledOptions): Promise<Prepared> {
  const sized = withPlainOperators(await sizedModel(given, options));
  madeOnce(sized.graph);
  const fold = compose(removeNoOps, foldShapes, folding(options.maxBytes), removeNoOps);
  const { graph, states, initial } = await carried(checkedSizes(pruneDead(sized), options.maxBytes), options, fold);
  const model = checkedSizes(pruneDead({ ...sized, graph }), options.maxBytes);
  const codes = protectCodes(model);
  const final = pruneDead(removeNoOps(foldBatchNorm(codes.restored(await fold(codes.model)))));
  const before = new Set(given.graph.outputs.map(({ name }) => name));
  const added = final.graph.outputs.map(({ name }) => name).filter((name) => !before.has(name));
  const hidden = new Set([...added, ...options.state.map(({ output }) => output)]);
  return { model: final, states, initial, hidden, facts: inferModel(final) };
}

/** ONNX gives every value one maker: an input, a constant (which may be a default of an input) or a node. */
function madeOnce({ inputs, initializers, nodes }: Graph): void {
  const made = new Set<string>();
  const make = (name: string, where: string): void => {
    if (made.has(name)) throw new SanderlingError('INVALID_MODEL', `"${name}" is made more than once`, { where });
    made.add(name);
  };
  for (const { name } of inputs) make(name, name);
  for (const name of initializers.keys()) made.add(name);
  for (const node of nodes) for (const name of node.outputs) if (name !== '') make(name, nodeName(node));
}

/** Constant folding on ONNX Runtime; where that is missing or too old for the model, what inference alone can fold. */
function folding(maxBytes: number): (model: Model) => Promise<Model> {
  return async (model) => {
    try {
      return await foldConstants({ maxBytes })(model);
    } catch (error) {
      const known = error instanceof SanderlingError && ['UNSUPPORTED', 'UNAVAILABLE'].includes(error.code);
      if (known) return foldShapes(model);
      if (error instanceof SanderlingError && error.code === 'INTERNAL')
        throw new SanderlingError('INVALID_MODEL', `the constant part of the model cannot be run: ${error.message}`, {
          cause: error,
        });
      throw error;
    }
  };
}

/** Before anything runs or is allocated: every value that can be sized must be within the limit. */
function checkedSizes(model: Model, maxBytes: number): Model {
  const { stuck } = topologicalOrder(model.graph.nodes);
  if (stuck.length > 0) throw new SanderlingError('INVALID_MODEL', 'the graph has a circle');
  for (const [name, { shape, dtype }] of inferModel(model)) {
    if (!shape?.every((dim) => typeof dim === 'number')) continue;
    const width = isElementType(dtype) ? elementTypes[dtype].bytes : 1;
    const bytes = shape.reduce<number>((product, dim) => product * Number(dim), width);
    if (bytes <= maxBytes) continue;
    throw new SanderlingError('TOO_LARGE', `"${name}" takes ${bytes} bytes and ${maxBytes} are allowed`, {
      where: name,
      fix: 'make the model smaller, or raise maxBytes',
    });
  }
  return model;
}
