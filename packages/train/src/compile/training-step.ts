// The training step as one graph: forward, gradients and optimiser, many steps a run. All state goes round inside a Scan and never leaves the
// runtime between steps; the number of steps is a symbolic dimension, so one session serves every length.
import { GraphBuilder, modelOf, pruneDead, type Model, type Value } from '@sanderling/onnx';
import { Algebra } from '../algebra.ts';
import type { Network } from '../network.ts';
import { scan } from '../scan.ts';
import { oneStep } from './one-step.ts';
import { checkPlan, nextName, stateOf, type StateEntry, type TrainingPlan } from './plan.ts';
import type { DataInput } from './reader.ts';
import { UniformPool } from './uniform.ts';

/**
 * A compiled step. The model's inputs: every state entry under its name, the reader's data, `index` int32 [steps, batch], `learning_rate`
 * float32 [steps], and `uniform` float32 [uniformSize] when that is not 0. Outputs: `loss` float32 [steps] and `next/NAME` for every state entry.
 */
export interface TrainingStep {
  readonly model: Model;
  readonly state: readonly StateEntry[];
  readonly data: readonly DataInput[];
  readonly batch: number;
  readonly uniformSize: number;
}

/** How to compile. */
export interface CompileOptions {
  /**
   * Channels of a block of ONNX Runtime's own layout for convolutions, as `blockSize` finds it: convolutions then train up to twice as fast, and
   * the step (not the network that comes out of it) holds operators that only this runtime knows. @default 0, standard operators only
   */
  readonly block?: number;
}

/**
 * Compiles forward, gradient and optimiser of a plan into one graph.
 * @throws UNSUPPORTED naming operator and node where a gradient rule is missing; INVALID_ARGUMENT for an impossible plan.
 */
export function compileTrainingStep(plan: TrainingPlan, { block = 0 }: CompileOptions = {}): TrainingStep {
  checkPlan(plan);
  const builder = new GraphBuilder('training');
  const state = stateOf(plan);
  const carry = state.map(({ name, dtype, dims }) => builder.input(name, dtype, dims));
  const data = new Map(plan.reader.inputs.map(({ name, dtype, shape }) => [name, builder.input(name, dtype, shape)]));
  const index = builder.input('index', 'int32', ['steps', plan.batch]);
  const rate = builder.input('learning_rate', 'float32', ['steps']);
  const source = usesDropout(plan.network) ? builder.input('uniform', 'float32', ['pool']) : undefined;
  const pool = new UniformPool();
  const run = scan(new Algebra(builder), { carry, over: [index, rate] }, (m, step) => {
    const { next, loss } = oneStep({
      plan,
      m,
      state: new Map(state.map(({ name }, i) => [name, step.carry[i] as Value])),
      data,
      index: step.over[0] as Value,
      rate: step.over[1] as Value,
      block,
      uniform: (inner, dims, counter) => pool.cut(inner, { pool: source as Value, step: counter }, dims),
    });
    return { carry: state.map(({ name }) => next.get(name) as Value), out: [loss] };
  });
  builder.output('loss', run.out[0] as Value);
  state.forEach(({ name }, i) => builder.output(nextName(name), run.carry[i] as Value));
  const uniformSize = source === undefined ? 0 : Math.max(1, pool.size);
  // what rules wrote in case someone asks, and nobody did, would run all the same
  const model = pruneDead(modelOf(builder.build()));
  return { model, state, data: plan.reader.inputs, batch: plan.batch, uniformSize };
}

/** Whether a network takes random numbers in training. */
export const usesDropout = ({ graph }: Network): boolean => graph.nodes.some((node) => node.opType === 'Dropout');
