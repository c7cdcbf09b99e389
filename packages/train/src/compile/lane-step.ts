// A training step cut in two, so that threads can share a batch: every lane computes the gradients of its own samples, an update takes their mean.
// Inside one graph this cannot be had: the runtime computes the bodies of loops node by node, and small products gain nothing from two threads.
import { GraphBuilder, modelOf, pruneDead, type Model, type Value } from '@sanderling/onnx';
import { Algebra, product } from '../algebra.ts';
import { partGradients, updated } from './one-step.ts';
import { counterName, nextName, stateOf, type TrainingPlan } from './plan.ts';
import { usesDropout, type CompileOptions } from './training-step.ts';
import { UniformPool } from './uniform.ts';

/** Numbers above which handing parameters and gradients from lane to lane costs more than threads inside the operators. */
const mostParameters = 1 << 17;

/** A step for so many lanes. All parameters, one after the other in the plan's order, are one vector of P numbers. */
export interface LaneStep {
  readonly lanes: number;
  /** P */
  readonly size: number;
  /**
   * Inputs: `parameters` float32 [P], the reader's data, `index` int32 [batch / lanes], and with dropout `counter` int64 [] and `uniform` float32 [pool].
   * Output: `gradients` float32 [1 + P], the samples' loss before the gradients.
   */
  readonly gradients: Model;
  /** The same for a whole batch. */
  readonly whole: Model;
  /** Inputs: the state by name, `learning_rate` float32 [], and `gradients0`, `gradients1` … Outputs: `loss` float32 [] and `next/NAME`. */
  readonly update: Model;
}

/**
 * Compiles a plan for lanes; undefined where a batch cannot be cut into equal parts whose gradients' mean is the batch's (batch statistics, weights
 * of samples or classes) or where it would cost more than it gains (many parameters). Whether the network and the loss look at each sample for
 * itself is not visible here: `whole` and `gradients` tell.
 */
export function compileLanes(plan: TrainingPlan, lanes: number, { block = 0 }: CompileOptions): LaneStep | undefined {
  const sizes = sizesOf(plan);
  const size = sizes.reduce((all, one) => all + one, 0);
  if (!divisible(plan, lanes) || size > mostParameters) return undefined;
  return {
    lanes,
    size,
    gradients: gradientsOf(plan, { samples: plan.batch / lanes, block }),
    whole: gradientsOf(plan, { samples: plan.batch, block }),
    update: updateOf(plan, lanes),
  };
}

function divisible({ network, loss, batch, parts = 1, weights }: TrainingPlan, lanes: number): boolean {
  const { initializers } = network.graph;
  const plain = network.parameters.every((name) => initializers.get(name)?.dtype === 'float32');
  const alike = weights === undefined && loss.share === undefined;
  return plain && alike && network.buffers.length === 0 && parts === 1 && batch % lanes === 0;
}

const dimsOfParameters = ({ network }: TrainingPlan): (readonly number[])[] =>
  network.parameters.map((name) => network.graph.initializers.get(name)?.dims ?? []);

const sizesOf = (plan: TrainingPlan): number[] => dimsOfParameters(plan).map(product);

function gradientsOf(plan: TrainingPlan, { samples, block }: { samples: number; block: number }): Model {
  const builder = new GraphBuilder('gradients');
  const m = new Algebra(builder);
  const { parameters } = plan.network;
  const sizes = sizesOf(plan);
  const all = builder.input('parameters', 'float32', [sizes.reduce((sum, size) => sum + size, 0)]);
  const values = m.split(all, 0, sizes).map((value, i) => m.reshape(value, dimsOfParameters(plan)[i] ?? []));
  const state = new Map(parameters.map((name, i) => [name, values[i] as Value]));
  const data = new Map(plan.reader.inputs.map(({ name, dtype, shape }) => [name, builder.input(name, dtype, shape)]));
  const index = builder.input('index', 'int32', [samples]);
  const drops = usesDropout(plan.network);
  const source = drops ? builder.input('uniform', 'float32', ['pool']) : undefined;
  if (drops) state.set(counterName, builder.input('counter', 'int64', []));
  const pool = new UniformPool();
  const uniform = (inner: Algebra, dims: readonly number[], step: Value) =>
    pool.cut(inner, { pool: source as Value, step }, dims);
  const { loss, gradients } = partGradients({ plan, m, state, data, index, block, uniform }, new Map(state));
  const flat = [loss, ...gradients].map((value, i) => m.reshape(value, [i === 0 ? 1 : (sizes[i - 1] as number)]));
  builder.output('gradients', m.concat(flat, 0));
  return pruneDead(modelOf(builder.build()));
}

function updateOf(plan: TrainingPlan, lanes: number): Model {
  const builder = new GraphBuilder('update');
  const m = new Algebra(builder);
  const entries = stateOf(plan);
  const state = new Map(entries.map(({ name, dtype, dims }) => [name, builder.input(name, dtype, dims)]));
  const rate = builder.input('learning_rate', 'float32', []);
  const sizes = [1, ...sizesOf(plan)];
  const flat = sizes.reduce((all, size) => all + size, 0);
  const sum = Array.from({ length: lanes }, (_, lane) => builder.input(`gradients${lane}`, 'float32', [flat]));
  const mean = m.mul(
    sum.reduce((a, b) => m.add(a, b)),
    1 / lanes,
  );
  const [loss, ...gradients] = m.split(mean, 0, sizes) as [Value, ...Value[]];
  const shaped = gradients.map((value, i) => m.reshape(value, dimsOfParameters(plan)[i] ?? []));
  const next = updated({ plan, m, state, rate }, shaped);
  builder.output('loss', m.reshape(loss, []));
  for (const { name } of entries) builder.output(nextName(name), next.get(name) as Value);
  return pruneDead(modelOf(builder.build()));
}
