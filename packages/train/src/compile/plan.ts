// What a training is: the network, its data, the loss, the optimiser, and the tensors that go from step to step.
import { SanderlingError } from '@sanderling/kit';
import type { DataType } from '@sanderling/onnx';
import type { Loss } from '../losses/loss.ts';
import type { Network } from '../network.ts';
import type { Optimiser } from '../optimisers/optimisers.ts';
import { checkSettings } from '../settings.ts';
import type { BatchReader } from './reader.ts';

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
  /** The batch is computed in so many equal parts, whose gradients are averaged: large batches in little memory. @default 1 */
  readonly parts?: number;
  /** Decay of a moving average of the parameters, which then is what is evaluated and kept. @default none */
  readonly averageDecay?: number;
  /** Parameters under a mask: where it is 0 they are 0 and stay so. See `pruning`. @default none */
  readonly masked?: readonly string[];
}

/** One tensor that goes from step to step. */
export interface StateEntry {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly role: 'parameter' | 'buffer' | 'slot' | 'average' | 'mask' | 'counter';
}

/** The name of the step counter among the state. */
export const counterName = 'step';
/** The name of what an optimiser remembers of a parameter. */
export const slotName = (parameter: string, slot: string): string => `${slot}/${parameter}`;
/** The name of a parameter's moving average. */
export const averageName = (parameter: string): string => `average/${parameter}`;
/** The name of a parameter's mask. */
export const maskName = (parameter: string): string => `mask/${parameter}`;
/** The name of a state entry's new value. */
export const nextName = (name: string): string => `next/${name}`;

/** All that goes from step to step, in the order of the compiled graph. */
export function stateOf({ network, optimiser, averageDecay, masked = [] }: TrainingPlan): StateEntry[] {
  const entry = (name: string, role: StateEntry['role'], of = name): StateEntry => {
    const { dtype, dims } = network.graph.initializers.get(of) ?? { dtype: 'float32', dims: [] };
    return { name, role, dtype, dims };
  };
  const { parameters, buffers } = network;
  return [
    ...parameters.map((name) => entry(name, 'parameter')),
    ...buffers.map((name) => entry(name, 'buffer')),
    ...optimiser.slots.flatMap((slot) => parameters.map((name) => entry(slotName(name, slot), 'slot', name))),
    ...(averageDecay === undefined ? [] : parameters.map((name) => entry(averageName(name), 'average', name))),
    ...masked.map((name) => entry(maskName(name), 'mask', name)),
    { name: counterName, role: 'counter', dtype: 'int64', dims: [] },
  ];
}

/** @throws INVALID_ARGUMENT for an impossible plan. */
export function checkPlan(plan: TrainingPlan): void {
  const { network, batch, parts = 1, averageDecay = 0, masked = [], clipNorm, weights } = plan;
  const wrong = (what: string, where: string) => new SanderlingError('INVALID_ARGUMENT', what, { where });
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw wrong(`the batch must be a positive whole number, not ${batch}`, 'batch');
  if (!Number.isSafeInteger(parts) || parts < 1 || batch % parts !== 0)
    throw wrong(`${parts} parts do not divide a batch of ${batch}`, 'parts');
  if (!(averageDecay >= 0 && averageDecay < 1))
    throw wrong(`a decay lies between 0 and 1, not at ${averageDecay}`, 'averageDecay');
  checkSettings('positive', { clipNorm });
  if (weights !== undefined && !plan.reader.inputs.some(({ name }) => name === weights))
    throw wrong(`no data input is called ${weights}`, 'weights');
  if (network.parameters.length === 0) throw wrong('the network has nothing to learn', 'network.parameters');
  for (const name of [...network.parameters, ...network.buffers]) {
    if (!network.graph.initializers.has(name)) throw wrong(`the network has no initializer ${name}`, name);
  }
  for (const name of masked) {
    if (!network.parameters.includes(name)) throw wrong(`${name} is masked but no parameter`, name);
  }
}
