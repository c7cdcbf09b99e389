// The loss of any number of samples as one inference graph: no dropout, no gradients, fused operators.
import { GraphBuilder, modelOf, type Model, type Value } from '@sanderling/onnx';
import { Tape } from '../gradients/tape.ts';
import { batchLoss, type LossPlan } from './one-step.ts';
import type { StateEntry } from './plan.ts';

/**
 * A compiled evaluation. Inputs: parameters and buffers by name, the reader's data, `index` int32 [samples]. Outputs: `loss`, the mean over
 * the samples, and `share`, a scalar, by which means over different samples are averaged: the loss's own denominator (class and sample weights), or the
 * number of samples.
 */
export interface Evaluation {
  readonly model: Model;
  readonly state: readonly Pick<StateEntry, 'name'>[];
}

/** Compiles the mean loss over the samples that an index names. */
export function compileEvaluation(plan: LossPlan): Evaluation {
  const builder = new GraphBuilder('evaluation');
  const names = [...plan.network.parameters, ...plan.network.buffers];
  const state = new Map(
    names.map((name) => {
      const { dtype, dims } = plan.network.graph.initializers.get(name) ?? { dtype: 'float32' as const, dims: [] };
      return [name, builder.input(name, dtype, dims)] as const;
    }),
  );
  const data = new Map<string, Value>(
    plan.reader.inputs.map(({ name, dtype, shape }) => [name, builder.input(name, dtype, shape)]),
  );
  const index = builder.input('index', 'int32', ['samples']);
  const tape = new Tape(builder);
  const { loss, share } = batchLoss(tape, plan, { state, data, index });
  builder.output('loss', loss);
  builder.output('share', share ?? tape.m.cast(tape.m.op('Size', [index]), 'float32'));
  return { model: modelOf(builder.build()), state: names.map((name) => ({ name })) };
}
