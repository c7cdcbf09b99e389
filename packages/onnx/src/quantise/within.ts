// Quantisation within a budget of accuracy: every layer is judged alone, and the worst stay in float until the whole model is good enough.
import { SanderlingError } from '@sanderling/kit';
import type { Model, Node } from '../ir.ts';
import { openSession, type Feeds } from '../run/session.ts';
import { calibrate, runOn, type CalibrationData, type CalibrationOptions, type Ranges } from './calibrate.ts';
import { outputName, planQuantisation, quantisableNodes } from './plan.ts';
import { quantise, type QuantiseOptions } from './quantise.ts';
import { quantisationNoise } from './report.ts';

/**
 * What quantisation may cost. `relativeError`: the largest √(mean over outputs of Σ (float − quantised)² / Σ float²) over the samples.
 * Or a `metric` of a model, higher being better, and how much less of it than in float is acceptable.
 */
export type Budget =
  | { readonly relativeError: number }
  | { readonly metric: (model: Model) => number | Promise<number>; readonly loss: number };

/** How a model is quantised within a budget. */
export interface WithinOptions extends QuantiseOptions, CalibrationOptions {
  readonly budget: Budget;
  /** What ranges are measured on. @default the samples */
  readonly calibration?: CalibrationData;
}

/** One layer that could be quantised; signal to quantisation noise in dB, Infinity where nothing changed. */
export interface LayerQuality {
  /** Name of its first output. */
  readonly value: string;
  readonly name: string;
  readonly operator: string;
  /** At the outputs of the model, with this layer alone quantised. */
  readonly aloneDecibels: number;
  /** At the layer's output in the model that was returned. */
  readonly cumulativeDecibels: number;
  /** Whether it stayed in float. */
  readonly float: boolean;
}

/** What {@link quantiseWithin} did. Errors and metrics are of the budget's kind. */
export interface QuantisationReport {
  /** In the order of the graph. */
  readonly layers: readonly LayerQuality[];
  /** √(mean over outputs of noise / signal) of the returned model. */
  readonly relativeError: number;
  /** The budget's metric of the float model and of the returned one; absent without a metric. */
  readonly metric?: { readonly float: number; readonly quantised: number };
}

/**
 * Quantises as much as a budget allows. Layers go back to float in the order of the noise that each makes alone; then each of them is tried in 8 bits once more.
 * What is returned has been measured to keep the budget. Everything is measured on ONNX Runtime. Costs a run of all samples per layer and then some.
 * @throws INVALID_ARGUMENT for a budget that is none, or a model that is quantised already; TOO_LITTLE_DATA without samples; as `calibrate`.
 */
export async function quantiseWithin(
  model: Model,
  samples: readonly Feeds[],
  options: WithinOptions,
): Promise<{ readonly model: Model; readonly report: QuantisationReport }> {
  const { budget } = options;
  const bound = 'metric' in budget ? budget.loss : budget.relativeError;
  if (!(bound >= 0)) throw new SanderlingError('INVALID_ARGUMENT', `a budget of ${bound} cannot be kept`);
  if (samples.length === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'a budget is measured on at least one sample');
  const ranges = await calibrate(model, options.calibration ?? samples, options);
  const exact = await outputsOf(model, samples, options);
  const trial = new Trial({ model, samples, options, ranges, exact });
  const alone = new Map<Node, number>();
  for (const node of trial.layers) alone.set(node, decibels(await trial.noise(trial.allBut(node))));
  const float = await trial.search(trial.layers.toSorted((a, b) => alone.get(a)! - alone.get(b)!));
  const chosen = trial.model(float);
  const cumulative = new Map((await quantisationNoise(model, chosen, samples)).map((one) => [one.value, one.decibels]));
  const layers = trial.layers.map(
    (node): LayerQuality => ({
      value: outputName(node),
      name: node.name,
      operator: node.opType,
      aloneDecibels: alone.get(node)!,
      cumulativeDecibels: cumulative.get(outputName(node)) ?? Infinity,
      float: float.has(node),
    }),
  );
  const relativeError = Math.sqrt(await trial.noise(float));
  if (!('metric' in budget)) return { model: chosen, report: { layers, relativeError } };
  const metric = { float: await budget.metric(model), quantised: await budget.metric(chosen) };
  return { model: chosen, report: { layers, relativeError, metric } };
}

type Outputs = Readonly<Record<string, Float32Array>>;

interface TrialParts {
  readonly model: Model;
  readonly samples: readonly Feeds[];
  readonly options: WithinOptions;
  readonly ranges: Ranges;
  readonly exact: readonly Outputs[];
}

/** Models with some layers in float, measured. */
class Trial {
  /** Layers whose quantisation changes something. */
  readonly layers: readonly Node[];
  readonly #parts: TrialParts;
  /** Operators that are not to be quantised, and those on shapes and indices, which look like layers and have no ranges. */
  readonly #skipped: readonly string[];
  #floatMetric: number | undefined;

  constructor(parts: TrialParts) {
    this.#parts = parts;
    const { model, options, ranges } = parts;
    const all = quantisableNodes(model.graph, options);
    const names = all.map(outputName);
    const given = options.skip ?? [];
    this.layers = all.filter((node) => {
      const skip = [...given, ...names.filter((name) => name !== outputName(node))];
      const { activations } = planQuantisation(model.graph, { ...options, skip });
      return [...activations].some((name) => ranges.has(name));
    });
    this.#skipped = [...given, ...all.filter((node) => !this.layers.includes(node)).map(outputName)];
  }

  allBut(one: Node): ReadonlySet<Node> {
    return new Set(this.layers.filter((node) => node !== one));
  }

  model(float: ReadonlySet<Node>): Model {
    const { model, ranges, options } = this.#parts;
    return quantise(model, ranges, { ...options, skip: [...this.#skipped, ...Array.from(float, outputName)] });
  }

  /** The mean over outputs of noise / signal. */
  async noise(float: ReadonlySet<Node>): Promise<number> {
    const { samples, exact, options } = this.#parts;
    return noiseRatio(exact, await outputsOf(this.model(float), samples, options));
  }

  async #fits(float: ReadonlySet<Node>): Promise<boolean> {
    const { budget } = this.#parts.options;
    if (!('metric' in budget)) return Math.sqrt(await this.noise(float)) <= budget.relativeError;
    this.#floatMetric ??= await budget.metric(this.#parts.model);
    return (await budget.metric(this.model(float))) >= this.#floatMetric - budget.loss;
  }

  /** The layers to leave in float: the fewest of the order that keep the budget, less those that turn out not to be needed. */
  async search(order: readonly Node[]): Promise<ReadonlySet<Node>> {
    const first = (count: number): ReadonlySet<Node> => new Set(order.slice(0, count));
    if (await this.#fits(first(0))) return first(0);
    let [failing, fitting] = [0, 1];
    while (fitting < order.length && !(await this.#fits(first(fitting))))
      [failing, fitting] = [fitting, Math.min(2 * fitting, order.length)];
    while (fitting - failing > 1) {
      const middle = Math.floor((failing + fitting) / 2);
      if (await this.#fits(first(middle))) fitting = middle;
      else failing = middle;
    }
    let kept = first(fitting);
    for (const node of [...kept].toReversed()) {
      const fewer = new Set([...kept].filter((other) => other !== node));
      if (await this.#fits(fewer)) kept = fewer;
    }
    return kept;
  }
}

/**
 * The float32 outputs of a model for every sample. For kernels of microcontrollers the rounding is computed in float: some integer kernels of the runtime
 * saturate on older processors.
 */
async function outputsOf(
  model: Model,
  samples: readonly Feeds[],
  { kernels, signal }: WithinOptions,
): Promise<readonly Outputs[]> {
  const optimisation = kernels === 'micro' ? 'basic' : 'extended';
  await using session = await openSession(model, { optimisation, ...(signal ? { signal } : {}) });
  const all: Outputs[] = [];
  for (const feeds of samples) {
    const results = await runOn(session, feeds, signal ? { signal } : {});
    all.push(
      Object.fromEntries(
        Object.entries(results).flatMap(([name, { data }]) => (data instanceof Float32Array ? [[name, data]] : [])),
      ),
    );
  }
  return all;
}

/** The mean over outputs of Σ (exact − rough)² / Σ exact². */
function noiseRatio(exact: readonly Outputs[], rough: readonly Outputs[]): number {
  const names = Object.keys(exact[0] ?? {});
  const ratios = names.map((name) => {
    let [signal, noise] = [0, 0];
    for (const [i, outputs] of exact.entries())
      for (const [at, value] of outputs[name]!.entries()) {
        signal += value ** 2;
        noise += (value - rough[i]![name]![at]!) ** 2;
      }
    return noise === 0 ? 0 : noise / signal;
  });
  return ratios.reduce((a, b) => a + b, 0) / Math.max(1, ratios.length);
}

/** 10 log10 of signal over noise. */
function decibels(ratio: number): number {
  return ratio === 0 ? Infinity : -10 * Math.log10(ratio);
}
