// For tests: small linear models, readings of a clock and a link that go wrong in every way, and releases made of both.
import { fileURLToPath } from 'node:url';
import { residualReference, type DetectorName, type ResidualMonitorConfig } from '@sanderling/drift';
import { createRandom, type Random } from '@sanderling/kit';
import { GraphBuilder, readModel, tensorOf, type Model } from '@sanderling/onnx';
import { parsePreprocessing, type Preprocessing, type Reading } from '@sanderling/series';
import { quantiseForDevice } from '../boards/index.ts';
import { generateC, type Generated } from '../generate.ts';
import { compileForHost } from '../host.ts';
import { referenceOutputs } from '../testing.ts';
import { generateForecasterC, type ForecasterTest, type GeneratedForecaster } from './generate-forecaster.ts';
import { referenceOutcomes, type ModelRun, type Reference } from './reference-forecaster.ts';

const minute = 60_000;

/** A preprocessing with what is not said. */
export function preprocessingOf(given: Partial<Preprocessing>): Preprocessing {
  return parsePreprocessing({
    version: 1,
    stepMs: 10 * minute,
    offsetMs: 0,
    window: 6,
    horizon: 2,
    features: ['value', 'hour-sin', 'hour-cos'],
    mean: 20,
    std: 2,
    differenceStd: 0.5,
    clampSigma: 8,
    maxInterpolateSteps: 1,
    unit: '°C',
    ...given,
  });
}

/** A model that mostly says what it saw last. */
export function linearModel({ window, features, horizon }: Preprocessing, seed: number): Model {
  const random = createRandom(seed, 'linear-model');
  const rows = window * features.length;
  const last = (window - 1) * features.length;
  const weights = Float32Array.from({ length: rows * horizon }, (_, i) =>
    Math.floor(i / horizon) === last ? 0.9 : 0.02 * random.normal(),
  );
  const b = new GraphBuilder('linear');
  const flat = b.op('Reshape', [b.input('window', 'float32', [1, window, features.length]), b.int64([1, rows])]);
  b.output('forecast', b.op('MatMul', [flat, b.constant(tensorOf('float32', [rows, horizon], weights))]));
  return b.model();
}

/** A temperature: a day's curve and noise. */
const temperature = (time: number, random: Random, noise: number): number =>
  Math.fround(20 + 2 * Math.sin((2 * Math.PI * time) / (1440 * minute)) + noise * random.normal());

/** Readings on time, one or several a cell. */
export function steadyReadings(p: Preprocessing, count: number, random: Random): readonly Reading[] {
  let time = 1.6e12;
  return Array.from({ length: count }, () => {
    time += Math.round(p.stepMs * random.uniform(0.8, 1.2));
    return { time, value: temperature(time, random, 0.2) };
  });
}

/** Times around a reading: its own, that of the one sent before, and the step. */
interface Moment {
  readonly time: number;
  readonly before: number;
  readonly stepMs: number;
}

interface Mishap {
  /** In a thousand readings. */
  readonly often: number;
  readonly clock?: true;
  /** The time that is sent; with `clock` the time goes on from there. */
  readonly sent: (moment: Moment, random: Random) => number;
}

const mishaps: readonly Mishap[] = [
  { often: 20, sent: ({ before }) => before },
  { often: 20, sent: ({ time, stepMs }, random) => time - Math.round(stepMs * random.uniform(0, 6)) },
  { often: 15, sent: ({ time, stepMs }, random) => time - Math.round(stepMs * random.uniform(1, 90)) },
  { often: 5, clock: true, sent: ({ time, stepMs }, random) => time + Math.round(stepMs * random.uniform(1, 5)) },
  { often: 2, clock: true, sent: ({ time, stepMs }, random) => time + Math.round(stepMs * random.uniform(5, 200)) },
  { often: 2, clock: true, sent: ({ time, stepMs }, random) => time - Math.round(stepMs * random.uniform(0, 200)) },
  { often: 1, clock: true, sent: ({ time }) => time + 40 * 1440 * minute },
  { often: 1, clock: true, sent: ({ time }) => time - 40 * 1440 * minute },
];

/**
 * Readings as a bad link gives them, and with `clockSteps` a bad clock: gaps, repeats, late ones, clock steps both ways, nonsense, and a sensor
 * that becomes noisy for a while.
 */
export function troubledReadings(
  { stepMs }: Preprocessing,
  count: number,
  random: Random,
  clockSteps: boolean,
): readonly Reading[] {
  const dense = random.pick([0.3, 0.6, 1]);
  let [time, before] = [1.6e12, 1.6e12];
  return Array.from({ length: count }, (_, i): Reading => {
    time += Math.round(stepMs * dense * random.uniform(0.5, 1.5));
    let chance = random.uniform(0, 1000);
    const mishap = mishaps.find(({ often, clock }) => (clock && !clockSteps ? false : (chance -= often) < 0));
    const sent = mishap?.sent({ time, before, stepMs }, random) ?? time;
    if (mishap?.clock) time = sent;
    before = sent;
    const noisy = i > count / 3 && i < (2 * count) / 3;
    const nonsense = random.next() < 0.003 ? random.pick([Number.NaN, Infinity, -Infinity, 1e30]) : undefined;
    return { time: sent, value: nonsense ?? temperature(sent, random, noisy ? 8 : 0.2) };
  });
}

/** A model with all that a release says about it. */
export interface MadeRelease extends Required<Reference> {
  readonly selfTest: { readonly cases: readonly ForecasterTest[]; readonly tolerance: number };
}

/** A release around a model: its monitor knows the residuals of steady readings. */
export async function madeRelease(
  run: ModelRun,
  preprocessing: Preprocessing,
  monitor: Omit<ResidualMonitorConfig, 'reference'>,
  steady = steadyReadings(preprocessing, 400, createRandom('made-release')),
): Promise<MadeRelease> {
  const outcomes = await referenceOutcomes({ run, preprocessing }, steady);
  const reference = residualReference(outcomes.flatMap(({ residuals }) => residuals));
  const inputs = randomWindows(preprocessing, 2, createRandom('self-test'));
  const outputs = await run(inputs);
  const cases = inputs.map((input, i) => ({ input: [...input], expected: [...outputs[i]!] }));
  return { run, preprocessing, monitor: { ...monitor, reference }, selfTest: { cases, tolerance: 1e-4 } };
}

function randomWindows({ window, features }: Preprocessing, count: number, random: Random): readonly Float32Array[] {
  const elements = window * features.length;
  return Array.from({ length: count }, () => Float32Array.from({ length: elements }, () => random.normal()));
}

/** ONNX Runtime. */
export function withRuntime(model: Model): ModelRun {
  const [input, output] = [model.graph.inputs[0]!.name, model.graph.outputs[0]!.name];
  return async (windows) => {
    const outputs = await referenceOutputs(
      model,
      windows.map((window) => ({ [input]: window })),
    );
    return outputs.map((elements) => elements[output] as Float32Array);
  };
}

/** The model's own C code: int8 layers round as no other program does. */
function withCompiler(generated: Generated): ModelRun {
  const { inputs, outputs } = generated.face;
  return async (windows) => {
    await using host = await compileForHost(generated, { flags: ['-ffp-contract=off'] });
    const results = await host.run(windows.map((window) => ({ [inputs[0]!.name]: window })));
    return results.map((elements) => elements[outputs[0]!.name] as Float32Array);
  };
}

const everything: Preprocessing['features'] = [
  'value',
  'difference',
  'hour-sin',
  'hour-cos',
  'weekday-sin',
  'weekday-cos',
  'year-sin',
  'year-cos',
];

/** A release to be made. */
interface Setting {
  readonly preprocessing: Preprocessing;
  readonly monitor: Omit<ResidualMonitorConfig, 'reference'> & { readonly detector?: DetectorName };
  readonly readingsPerCell?: number;
  readonly fixture?: string;
  /** Made int8 for the kernels of generated code. */
  readonly int8?: true;
}

/** Releases that differ in all that can differ. */
export const settings: readonly Setting[] = [
  { preprocessing: preprocessingOf({}), monitor: {} },
  {
    preprocessing: preprocessingOf({ window: 24, horizon: 3, features: ['value', 'difference'] }),
    monitor: { scoreWindow: 24 },
    fixture: 'forecaster-gru.onnx',
  },
  {
    preprocessing: preprocessingOf({ features: everything, maxInterpolateSteps: 3, offsetMs: 61_000, horizon: 5 }),
    monitor: { detector: 'adwin', scoreWindow: 20, confirm: 1 },
  },
  {
    preprocessing: preprocessingOf({ window: 1, horizon: 1, features: ['value'], maxInterpolateSteps: 0 }),
    monitor: { detector: 'kswin', scoreWindow: 12, alertAt: 0.6 },
    readingsPerCell: 128,
  },
  {
    preprocessing: preprocessingOf({ window: 3, horizon: 7, stepMs: 3_600_000, clampSigma: 1.5 }),
    monitor: { detector: 'hddm-w', alertRatio: 1.2, scoreWindow: 30 },
  },
  {
    preprocessing: preprocessingOf({ window: 5, horizon: 96, features: ['value', 'difference', 'weekday-cos'] }),
    monitor: { detector: 'ddm', scoreWindow: 40 },
    readingsPerCell: 32,
  },
  {
    preprocessing: preprocessingOf({ window: 24, horizon: 3, features: ['value', 'hour-sin'] }),
    monitor: { detector: 'page-hinkley', scoreWindow: 16 },
    fixture: 'forecaster-gru.onnx',
    int8: true,
  },
];

/** The release of a setting, and its C code under the name `release` and a number. */
export async function generatedRelease(
  at: number,
): Promise<{ readonly release: MadeRelease; readonly generated: GeneratedForecaster }> {
  const { preprocessing, monitor, readingsPerCell, fixture, int8 } = settings[at]!;
  const float = fixture
    ? await readModel(fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url)))
    : linearModel(preprocessing, at);
  const model = int8 ? await quantised(float, preprocessing) : float;
  const code = await generateC(model, { name: `model${at}` });
  const release = await madeRelease(int8 ? withCompiler(code) : withRuntime(model), preprocessing, monitor);
  const options = { name: `release${at}`, ...(readingsPerCell ? { readingsPerCell } : {}) };
  return { release, generated: generateForecasterC({ ...release, model: code, ...options }) };
}

async function quantised(model: Model, preprocessing: Preprocessing): Promise<Model> {
  const { window, features } = preprocessing;
  const { name } = model.graph.inputs[0]!;
  const samples = randomWindows(preprocessing, 50, createRandom('calibration')).map((data) => ({
    [name]: { dtype: 'float32' as const, dims: [1, window, features.length], data },
  }));
  return (await quantiseForDevice(model, samples, { budget: 0.5 })).model;
}
