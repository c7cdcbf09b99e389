// Ranges of activations from sample inputs: the float model is run with the values in question as outputs.
import { SanderlingError } from '@sanderling/kit';
import { inferModel } from '../infer/infer.ts';
import type { Model, Node } from '../ir.ts';
import { namesFor } from '../rename.ts';
import { openSession, type Feeds, type RunOptions, type RunTensor, type Session } from '../run/session.ts';
import { outputName, planQuantisation, type HiddenPlan, type PlanOptions } from './plan.ts';
import { chosenRange, Histogram, usualTail, type RangeMethod } from './histogram.ts';

/** The least and largest value that a tensor takes. */
export interface Range {
  readonly min: number;
  readonly max: number;
}
/** The range of each value, by name. */
export type Ranges = ReadonlyMap<string, Range>;

/** Sample inputs: a list, or a function that starts over, since some methods read them twice. */
export type CalibrationData = readonly Feeds[] | (() => Iterable<Feeds> | AsyncIterable<Feeds>);

/** How ranges are measured. */
export interface CalibrationOptions extends PlanOptions {
  /**
   * 'minmax': all that was seen; 'percentile': without a tail at each end; 'mse': the range with the least squared rounding error; 'entropy': the range whose
   * 8-bit histogram diverges least (Kullback–Leibler; it cuts deep where many values are exactly zero). The last three read the samples twice. @default 'minmax'
   */
  readonly method?: RangeMethod;
  /** The share of values that 'percentile' leaves out at each end. @default 1e-5 */
  readonly tail?: number;
  readonly signal?: AbortSignal;
}

/**
 * Measures the ranges that {@link quantise} needs.
 * @throws TOO_LITTLE_DATA without samples; INVALID_ARGUMENT for a tail that is none; INVALID_DATA when a value is not finite; else as `openSession` and `Session.run`.
 */
export async function calibrate(
  model: Model,
  data: CalibrationData,
  options: CalibrationOptions = {},
): Promise<Ranges> {
  const { method = 'minmax', tail = usualTail, signal } = options;
  if (!(tail >= 0 && tail < 0.5)) throw new SanderlingError('INVALID_ARGUMENT', `tail is ${tail}, not in 0 … 0.5`);
  const { activations, hidden } = planQuantisation(model.graph, options);
  const probed = withSequences(model, hidden);
  const opened = withOutputs(probed.model, [...activations, ...probed.added]);
  if (opened.names.length === 0) return new Map();
  await using session = await openSession(opened.model, { optimisation: 'disabled', ...(signal ? { signal } : {}) });
  const each = async (see: (name: string, values: Float32Array) => void): Promise<void> => {
    const samples = typeof data === 'function' ? data() : data;
    for await (const feeds of samples) {
      const results = await runOn(session, feeds, { outputs: opened.names, ...(signal ? { signal } : {}) });
      for (const name of opened.names) see(name, results[name]!.data as Float32Array);
    }
  };
  const seen = new Map<string, Range>();
  await each((name, values) => seen.set(name, widened(name, seen.get(name), values)));
  if (seen.size === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'calibration needs at least one sample');
  if (method === 'minmax') return seen;
  const histograms = new Map(Array.from(seen, ([name, range]) => [name, new Histogram(range)]));
  await each((name, values) => histograms.get(name)!.add(values));
  return new Map(Array.from(histograms, ([name, histogram]) => [name, chosenRange(histogram, method, tail)]));
}

/** Runs a sample. @throws as `Session.run`; INVALID_MODEL where the runtime fails: its shapes do not go together, say. */
export async function runOn(
  session: Session,
  feeds: Feeds,
  options: RunOptions = {},
): Promise<Readonly<Record<string, RunTensor>>> {
  try {
    return await session.run(feeds, options);
  } catch (error) {
    if (!(error instanceof SanderlingError) || error.code !== 'INTERNAL') throw error;
    throw new SanderlingError('INVALID_MODEL', `the model cannot be run on a sample: ${error.message}`, {
      cause: error,
    });
  }
}

/** The last state alone does not tell what the states before it were, so nodes that do not give their sequence of states get to. */
function withSequences(model: Model, hidden: readonly HiddenPlan[]): { model: Model; added: readonly string[] } {
  const fresh = namesFor(model.graph);
  const names = new Map(
    hidden
      .filter(({ node }) => (node.outputs[0] ?? '') === '')
      .map(({ node }) => [node, fresh(sequenceName(node))] as const),
  );
  if (names.size === 0) return { model, added: [] };
  const nodes = model.graph.nodes.map((node) => {
    const name = names.get(node);
    return name === undefined ? node : { ...node, outputs: [name, ...node.outputs.slice(1)] };
  });
  return { model: { ...model, graph: { ...model.graph, nodes } }, added: [...names.values()] };
}

/** The name under which the states of a node that gives only its last are measured. */
export function sequenceName(node: Node): string {
  return `${outputName(node)}.sequence`;
}

/** The model with more outputs: those float32 values among the wanted. */
export function withOutputs(
  model: Model,
  wanted: readonly string[],
): { readonly model: Model; readonly names: readonly string[] } {
  const facts = inferModel(model);
  const names = wanted.filter((name) => facts.get(name)?.dtype === 'float32');
  const outputs = names.map((name) => ({ name, dtype: 'float32' as const, shape: undefined }));
  return { model: { ...model, graph: { ...model.graph, outputs } }, names };
}

function widened(name: string, range: Range | undefined, values: Float32Array): Range {
  let { min, max } = range ?? { min: Infinity, max: -Infinity };
  for (const value of values) {
    if (!Number.isFinite(value))
      throw new SanderlingError('INVALID_DATA', `the value "${name}" is ${value} for a sample`, { where: name });
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}
