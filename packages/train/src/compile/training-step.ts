// The training step as one graph: forward, gradients and optimiser, many steps a run. All state goes round inside a Scan and never leaves the
// runtime between steps; the number of steps is a symbolic dimension, so one session serves every length.
import { SanderlingError } from '@sanderling/kit';
import { GraphBuilder, modelOf, type DataType, type Model, type Value } from '@sanderling/onnx';
import { Algebra, dimsOf } from '../algebra.ts';
import { Tape } from '../gradients/tape.ts';
import { batchLossOf } from './batch-loss.ts';
import type { Loss } from '../losses/loss.ts';
import type { Network } from '../network.ts';
import type { Optimiser } from '../optimisers/optimisers.ts';
import { scan } from '../scan.ts';
import { targetName, type BatchReader, type DataInput } from './reader.ts';
import { UniformPool } from './uniform.ts';

/** What to compile. */
export interface TrainingPlan {
  readonly network: Network;
  readonly reader: BatchReader;
  readonly loss: Loss;
  readonly optimiser: Optimiser;
  /** Samples a step. */
  readonly batch: number;
  /** The network's output that the loss looks at. @default its first output */
  readonly prediction?: string;
  /** Gradients are scaled down so that their joint Euclidean norm is at most this. @default no limit */
  readonly clipNorm?: number;
  /** Name of a data input with one weight a sample. @default all samples weigh the same */
  readonly weights?: string;
}

/** One tensor that goes from step to step. */
export interface StateEntry {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly role: 'parameter' | 'buffer' | 'slot' | 'counter';
}

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

/** The name of the step counter among the state. */
export const counterName = 'step';
/** The name of a state entry's new value. */
export const nextName = (name: string): string => `next/${name}`;

/**
 * Compiles forward, gradient and optimiser of a plan into one graph.
 * @throws UNSUPPORTED naming operator and node where a gradient rule is missing; INVALID_ARGUMENT for an impossible plan.
 */
export function compileTrainingStep(plan: TrainingPlan): TrainingStep {
  checkPlan(plan);
  const builder = new GraphBuilder('training');
  const m = new Algebra(builder);
  const state = stateOf(plan);
  const carried = state.map(({ name, dtype, dims }) => builder.input(name, dtype, dims));
  const data = new Map(plan.reader.inputs.map(({ name, dtype, shape }) => [name, builder.input(name, dtype, shape)]));
  const index = builder.input('index', 'int32', ['steps', plan.batch]);
  const rate = builder.input('learning_rate', 'float32', ['steps']);
  const pool = new UniformPool();
  const source = usesDropout(plan.network) ? builder.input('uniform', 'float32', ['pool']) : undefined;
  const run = scan(m, { carry: carried, over: [index, rate] }, (s, { carry, over }) => {
    const at = {
      state: new Map(state.map(({ name }, i) => [name, carry[i] as Value])),
      data,
      index: over[0] as Value,
      rate: over[1] as Value,
    };
    const { next, loss } = oneStep({
      plan,
      m: s,
      at,
      uniform: (count, dims, step) => pool.cut(count, { pool: source as Value, step }, dims),
    });
    return { carry: state.map(({ name }) => next.get(name) as Value), out: [loss] };
  });
  builder.output('loss', run.out[0] as Value);
  state.forEach(({ name }, i) => builder.output(nextName(name), run.carry[i] as Value));
  return {
    model: modelOf(builder.build()),
    state,
    data: plan.reader.inputs,
    batch: plan.batch,
    uniformSize: source === undefined ? 0 : Math.max(1, pool.size),
  };
}

function checkPlan({ network, batch }: TrainingPlan): void {
  const wrong = (what: string, where: string) => new SanderlingError('INVALID_ARGUMENT', what, { where });
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw wrong(`the batch must be a positive whole number, not ${batch}`, 'batch');
  if (network.parameters.length === 0) throw wrong('the network has nothing to learn', 'network.parameters');
  for (const name of [...network.parameters, ...network.buffers]) {
    if (!network.graph.initializers.has(name)) throw wrong(`the network has no initializer ${name}`, name);
  }
}

const usesDropout = ({ graph }: Network): boolean => graph.nodes.some((node) => node.opType === 'Dropout');

function stateOf({ network, optimiser }: TrainingPlan): StateEntry[] {
  const entry = (name: string, role: StateEntry['role'], of = name): StateEntry => {
    const { dtype, dims } = network.graph.initializers.get(of) ?? { dtype: 'float32', dims: [] };
    return { name, role, dtype, dims };
  };
  return [
    ...network.parameters.map((name) => entry(name, 'parameter')),
    ...network.buffers.map((name) => entry(name, 'buffer')),
    ...optimiser.slots.flatMap((slot) => network.parameters.map((name) => entry(slotName(name, slot), 'slot', name))),
    { name: counterName, role: 'counter', dtype: 'int64', dims: [] },
  ];
}

/** The name of what an optimiser remembers of a parameter. */
export const slotName = (parameter: string, slot: string): string => `${slot}/${parameter}`;

interface StepInput {
  readonly plan: TrainingPlan;
  readonly m: Algebra;
  readonly at: {
    readonly state: ReadonlyMap<string, Value>;
    readonly data: ReadonlyMap<string, Value>;
    readonly index: Value;
    readonly rate: Value;
  };
  readonly uniform: (m: Algebra, dims: readonly number[], step: Value) => Value;
}

function oneStep({ plan, m, at, uniform }: StepInput): { next: Map<string, Value>; loss: Value } {
  const { network, optimiser } = plan;
  const counter = at.state.get(counterName) as Value;
  const next = new Map(at.state);
  const nameOf = new Map([...at.state].map(([name, value]) => [value.name, name]));
  const tape = new Tape(m.scope, {
    uniform: (inner, dims) => uniform(inner, dims, counter),
    follows: (value) => network.buffers.includes(nameOf.get(value.name) ?? ''),
    update: (buffer, value) => next.set(nameOf.get(buffer.name) as string, value),
  });
  const parameters = network.parameters.map((name) => at.state.get(name) as Value);
  tape.watch(parameters);
  const loss = batchLoss(tape, plan, at);
  const gradients = clipped(m, tape.gradients(loss, parameters), plan.clipNorm);
  const step = m.add(counter, m.number(1, 'int64'));
  next.set(counterName, step);
  const scalars = optimiser.prepare(m, { step: m.cast(step, 'float32'), rate: at.rate });
  network.parameters.forEach((name, i) => {
    const slots = optimiser.slots.map((slot) => at.state.get(slotName(name, slot)) as Value);
    const update = {
      parameter: parameters[i] as Value,
      gradient: gradients[i] as Value,
      slots,
      scalars,
      rate: at.rate,
    };
    const changed = optimiser.update(m, update);
    next.set(name, changed.parameter);
    optimiser.slots.forEach((slot, j) => next.set(slotName(name, slot), changed.slots[j] as Value));
  });
  return { next, loss };
}

/** The loss of the batch that an index names, written through a tape. */
export function batchLoss(
  tape: Tape,
  plan: Pick<TrainingPlan, 'network' | 'reader' | 'loss' | 'prediction' | 'weights'>,
  at: Omit<StepInput['at'], 'rate'>,
): Value {
  const { network, reader, loss } = plan;
  const batch = reader.read(tape.m, at.index, at.data);
  const bound = new Map([
    ...batch,
    ...[...network.parameters, ...network.buffers].map((name) => [name, at.state.get(name) as Value] as const),
  ]);
  const values = tape.record(network.graph, bound);
  const prediction = values.get(plan.prediction ?? network.graph.outputs[0]?.name ?? '');
  if (prediction === undefined)
    throw new SanderlingError('INVALID_ARGUMENT', `the network has no output ${plan.prediction}`, {
      where: 'prediction',
    });
  return batchLossOf(tape, {
    loss,
    prediction,
    target: batch.get(targetName) as Value,
    weights: plan.weights === undefined ? undefined : batch.get(plan.weights),
  });
}

/** Scales gradients down to a joint Euclidean norm, as PyTorch's clip_grad_norm_. */
function clipped(m: Algebra, gradients: readonly Value[], limit: number | undefined): readonly Value[] {
  if (limit === undefined) return gradients;
  const squares = gradients.map((gradient) =>
    m.sum(m.square(m.reshape(gradient, [dimsOf(gradient).reduce((a, b) => a * b, 1)]))),
  );
  const norm = m.sqrt(squares.reduce((a, b) => m.add(a, b)));
  const factor = m.min(m.div(m.number(limit), m.add(norm, 1e-6)), 1);
  return gradients.map((gradient) => m.mul(gradient, factor));
}
