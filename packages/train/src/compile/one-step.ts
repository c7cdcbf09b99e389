// One training step inside the loop: the batch's loss, gradients, and every state entry's next value.
import { SanderlingError } from '@sanderling/kit';
import type { Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';
import { Tape } from '../gradients/tape.ts';
import { batchLossOf, type BatchLoss } from './batch-loss.ts';
import { averageName, counterName, maskName, slotName, type TrainingPlan } from './plan.ts';
import { targetName } from './reader.ts';

type Values = ReadonlyMap<string, Value>;

/** What a step starts from. */
export interface StepInput {
  readonly plan: TrainingPlan;
  readonly m: Algebra;
  readonly state: Values;
  readonly data: Values;
  /** int32 [batch]. */
  readonly index: Value;
  /** Learning rate, a scalar. */
  readonly rate: Value;
  /** Channels of a block of the runtime's own layout for convolutions; 0: standard operators only. */
  readonly block: number;
  /** Uniform numbers of a shape for the step of a counter. */
  readonly uniform: (m: Algebra, dims: readonly number[], counter: Value) => Value;
}

/** The state after a step and the loss before it. */
export function oneStep(input: StepInput): { next: Map<string, Value>; loss: Value } {
  const next = new Map(input.state);
  const { loss, gradients } = lossAndGradients(input, next);
  return { next: updated(input, gradients, next), loss };
}

/** Every state entry's next value, given the gradients of all parameters (not clipped yet); `next` holds what training has changed already. */
export function updated(
  { plan, m, state, rate }: Pick<StepInput, 'plan' | 'm' | 'state' | 'rate'>,
  gradients: readonly Value[],
  next = new Map(state),
): Map<string, Value> {
  const { network, optimiser } = plan;
  const limited = clipped(m, gradients, plan.clipNorm);
  const step = m.add(state.get(counterName) as Value, m.number(1, 'int64'));
  next.set(counterName, step);
  const scalars = optimiser.prepare(m, { step: m.cast(step, 'float32'), rate });
  network.parameters.forEach((name, i) => {
    const slots = optimiser.slots.map((slot) => state.get(slotName(name, slot)) as Value);
    const update = { parameter: state.get(name) as Value, gradient: limited[i] as Value, slots, scalars, rate };
    const changed = optimiser.update(m, update);
    const mask = state.get(maskName(name));
    const parameter = mask === undefined ? changed.parameter : m.mul(changed.parameter, mask);
    next.set(name, parameter);
    optimiser.slots.forEach((slot, j) => next.set(slotName(name, slot), changed.slots[j] as Value));
    const average = state.get(averageName(name));
    if (average !== undefined)
      next.set(averageName(name), averaged(m, { average, parameter, decay: plan.averageDecay ?? 0 }));
  });
  return next;
}

/** average ← decay · average + (1 − decay) · parameter */
function averaged(
  m: Algebra,
  { average, parameter, decay }: { average: Value; parameter: Value; decay: number },
): Value {
  return m.add(m.mul(average, decay), m.mul(parameter, 1 - decay));
}

/** Loss and gradients of the batch, the mean over its parts; buffers that follow the data get their next values. */
function lossAndGradients(input: StepInput, next: Map<string, Value>): { loss: Value; gradients: readonly Value[] } {
  const { plan, m, index } = input;
  const { parts = 1, batch } = plan;
  const indices = m.split(
    index,
    0,
    Array.from({ length: parts }, () => batch / parts),
  );
  const results = indices.map((part) => partGradients({ ...input, index: part }, next));
  const mean = meanOfParts(m, results);
  const gradients = plan.network.parameters.map((_, i) => mean(results.map((one) => one.gradients[i] as Value)));
  return { loss: mean(results.map((one) => one.loss)), gradients };
}

/** The mean over parts of a batch: each part counts as its loss's denominator does in the whole batch's. */
function meanOfParts(m: Algebra, parts: readonly BatchLoss[]): (values: readonly Value[]) => Value {
  const sum = (values: readonly Value[]) => values.reduce((a, b) => m.add(a, b));
  const shares = parts.flatMap(({ share }) => share ?? []);
  if (parts.length === 1 || shares.length === 0) return (values) => m.mul(sum(values), 1 / parts.length);
  const whole = sum(shares);
  const factors = shares.map((share) => m.div(share, whole));
  return (values) => sum(values.map((value, i) => m.mul(value, factors[i] as Value)));
}

interface PartResult extends BatchLoss {
  readonly gradients: readonly Value[];
}

/** Loss and gradients of the samples that the index names. */
export function partGradients(input: Omit<StepInput, 'rate'>, next: Map<string, Value>): PartResult {
  const { plan, m, state, uniform } = input;
  const { parameters, buffers } = plan.network;
  const counter = state.get(counterName) as Value;
  const now = new Map([...state, ...buffers.map((name) => [name, next.get(name) as Value] as const)]);
  const bufferOf = new Map(buffers.map((name) => [(now.get(name) as Value).name, name]));
  const tape = new Tape(m.scope, {
    uniform: (inner, dims) => uniform(inner, dims, counter),
    follows: (value) => bufferOf.has(value.name),
    update: (buffer, value) => next.set(bufferOf.get(buffer.name) as string, value),
    block: input.block,
  });
  const values = parameters.map((name) => now.get(name) as Value);
  tape.watch(values);
  const result = batchLoss(tape, plan, { ...input, state: now });
  return { ...result, gradients: tape.gradients(result.loss, values) };
}

/** What a batch's loss needs of a plan; evaluation needs no more. */
export type LossPlan = Pick<TrainingPlan, 'network' | 'reader' | 'loss' | 'prediction' | 'weights'>;

/** The loss of the batch that an index names, written through a tape. @throws INVALID_ARGUMENT when the plan names an output that is not there. */
export function batchLoss(tape: Tape, plan: LossPlan, at: Pick<StepInput, 'state' | 'data' | 'index'>): BatchLoss {
  const { network, reader, loss } = plan;
  const batch = reader.read(tape.m, at.index, at.data);
  const learnt = [...network.parameters, ...network.buffers].map(
    (name) => [name, at.state.get(name) as Value] as const,
  );
  const values = tape.record(network.graph, new Map([...batch, ...learnt]));
  const prediction = values.get(plan.prediction ?? network.graph.outputs[0]?.name ?? '');
  if (prediction === undefined) {
    throw new SanderlingError('INVALID_ARGUMENT', `the network has no output ${plan.prediction}`, {
      where: 'prediction',
    });
  }
  const weights = plan.weights === undefined ? undefined : batch.get(plan.weights);
  return batchLossOf(tape, { loss, prediction, target: batch.get(targetName) as Value, weights });
}

/** Scales gradients down to a joint Euclidean norm, as PyTorch's clip_grad_norm_. */
function clipped(m: Algebra, gradients: readonly Value[], limit: number | undefined): readonly Value[] {
  if (limit === undefined) return gradients;
  const squares = gradients.map((gradient) => m.sum(m.square(m.reshape(gradient, [product(dimsOf(gradient))]))));
  const norm = m.sqrt(squares.reduce((a, b) => m.add(a, b)));
  const factor = m.min(m.div(m.number(limit), m.add(norm, 1e-6)), 1);
  return gradients.map((gradient) => m.mul(gradient, factor));
}
