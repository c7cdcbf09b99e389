// A whole forecasting release in C99, for a model image: readings in, forecasts and alarms out, as the agent of a larger device has them.
import type { ResidualMonitorConfig } from '@sanderling/drift';
import { SanderlingError } from '@sanderling/kit';
import { parsePreprocessing, type Preprocessing } from '@sanderling/series';
import { checkName } from '../c-name.ts';
import { generateDetectorC } from '../detectors/generate-detector.ts';
import type { GeneratedDetector } from '../detectors/requests.ts';
import type { CInterface } from '../emit/interface.ts';
import type { Generated } from '../generate.ts';
import { monitorConstants, type MonitorConstants } from './monitor-constants.ts';
import { memoryBytes, writeForecaster } from './write-forecaster.ts';

/** One window as the model takes it, and what the model must answer: as in a release's manifest. */
export interface ForecasterTest {
  /** `window × features` normalised values, row-major. */
  readonly input: readonly number[];
  /** `horizon` normalised values. */
  readonly expected: readonly number[];
}

/** What a forecaster is made of. */
export interface ForecasterRequest {
  readonly preprocessing: Preprocessing;
  readonly monitor: ResidualMonitorConfig;
  /** The model in C, of one input (window × features) and one output (horizon), both float32, without state or blob. */
  readonly model: Generated;
  /** Run on the device before it takes the release into service. An output may be off by `tolerance`. */
  readonly selfTest: { readonly cases: readonly ForecasterTest[]; readonly tolerance: number };
  /** Prefix of all names in the C code and name of the files: a C identifier of at most 20 characters. @default 'forecaster' */
  readonly name?: string;
  /**
   * Readings of one cell that are kept apart, 1…128. Beyond, they are folded into a sum, and only repeats of the newest time are recognised;
   * packages/series does so beyond 128. Costs 12 bytes a cell of 3 windows. @default 16
   */
  readonly readingsPerCell?: number;
}

/** How to call it: the functions of sanderling_entry.h with the prefix, and the names of the tables. */
export interface ForecasterFace {
  readonly prefix: string;
  /** The entry table for use inside a program; in an image it is called `sanderling_image_entry`. */
  readonly entry: string;
  /** Files to compile for an image: all `.c`. Without the last one the same code serves a program that calls `entry`. */
  readonly sources: readonly string[];
  readonly imageSource: string;
}

/** What it costs; bytes. */
export interface ForecasterReport {
  readonly name: string;
  /** RAM that the caller provides. Its parts: window of readings, forecasts that wait, monitor with its detector, model. */
  readonly memoryBytes: number;
  readonly windowBytes: number;
  readonly ledgerBytes: number;
  readonly monitorBytes: number;
  readonly modelBytes: number;
  /** Constants in flash, without code. */
  readonly constantBytes: number;
}

/** A forecaster in C. `files`: text by file name, those of model and detector included. */
export interface GeneratedForecaster {
  readonly files: Readonly<Record<string, string>>;
  readonly face: ForecasterFace;
  readonly report: ForecasterReport;
}

/** Everything checked and resolved. */
export interface ForecasterParts {
  readonly name: string;
  readonly preprocessing: Preprocessing;
  readonly monitor: MonitorConstants;
  readonly detector: GeneratedDetector;
  readonly model: CInterface;
  readonly selfTest: ForecasterRequest['selfTest'];
  readonly readingsPerCell: number;
}

const mostHorizon = 96;
const mostCases = 64;

/**
 * Writes a release as C99 behind the entry table of a model image: no dynamic memory and no variables, everything lives in the memory that the caller gives.
 * It takes the same decisions as the agent's Predictor: the same windows, forecasts, residuals and alarms.
 * Needs `firmware/include` of this package on the include path.
 * @throws INVALID_ARGUMENT for parts that do not fit together or beyond what an image can hold; INVALID_CONFIG for the monitor.
 */
export function generateForecasterC(request: ForecasterRequest): GeneratedForecaster {
  const parts = checkedParts(request);
  const { name, detector } = parts;
  const { files: own, constantBytes } = writeForecaster(parts);
  const files = { ...request.model.files, ...detector.files, ...own };
  const imageSource = `${name}_image.c`;
  const sources = Object.keys(files).filter((file) => file.endsWith('.c') && file !== imageSource);
  return Object.freeze({
    files,
    face: { prefix: name, entry: `${name}_entry`, sources, imageSource },
    report: {
      name,
      ...memoryBytes(parts),
      constantBytes: request.model.report.constantBytes + detector.report.constantBytes + constantBytes,
    },
  });
}

function checkedParts(request: ForecasterRequest): ForecasterParts {
  const { name = 'forecaster', readingsPerCell = 16, selfTest } = request;
  checkName(name, 20);
  if (!Number.isInteger(readingsPerCell) || readingsPerCell < 1 || readingsPerCell > 128)
    wrong('readingsPerCell', `${readingsPerCell} is not a whole number from 1 to 128`);
  const preprocessing = parsePreprocessing(request.preprocessing);
  checkPreprocessing(preprocessing);
  const model = request.model.face;
  checkModel(model, preprocessing);
  if (model.prefix === name || model.prefix.startsWith(`${name}_`))
    wrong('name', `the model is called ${model.prefix}; give the forecaster another name`);
  checkSelfTest(selfTest, preprocessing);
  const monitor = monitorConstants(request.monitor);
  const { detector, options } = monitor;
  return {
    name,
    preprocessing,
    monitor,
    detector: generateDetectorC({ detector, options, name: `${name}_detector` }),
    model,
    selfTest,
    readingsPerCell,
  };
}

function checkPreprocessing({ stepMs, offsetMs, window, horizon }: Preprocessing): void {
  if (!Number.isSafeInteger(stepMs) || !Number.isSafeInteger(offsetMs))
    wrong('preprocessing.stepMs', 'a device counts whole milliseconds, so step and offset must be whole');
  if (window > 10_000) wrong('preprocessing.window', `a window of ${window} rows does not fit a microcontroller`);
  if (horizon > mostHorizon) wrong('preprocessing.horizon', `an image forecasts at most ${mostHorizon} steps`);
}

function checkModel({ inputs, outputs, states, weights, prefix }: CInterface, preprocessing: Preprocessing): void {
  const { window, features, horizon } = preprocessing;
  const fits = (ports: CInterface['inputs'], elements: number): boolean =>
    ports.length === 1 && ports[0]!.dtype === 'float32' && ports[0]!.count === elements;
  if (!fits(inputs, window * features.length))
    wrong('model', `${prefix} must have one input of ${window} × ${features.length} float32`);
  if (!fits(outputs, horizon)) wrong('model', `${prefix} must have one output of ${horizon} float32`);
  if (states.length > 0)
    wrong('model', 'a forecaster sees its whole window each time; generate the model without carry and state');
  if (weights) wrong('model', 'an image holds its weights itself; generate the model without a blob');
}

function checkSelfTest({ cases, tolerance }: ForecasterRequest['selfTest'], preprocessing: Preprocessing): void {
  const { window, features, horizon } = preprocessing;
  if (cases.length === 0 || cases.length > mostCases)
    wrong('selfTest.cases', `${cases.length} cases were given; 1 to ${mostCases} are possible`);
  if (!(tolerance >= 0)) wrong('selfTest.tolerance', 'the tolerance is no number from 0');
  for (const [i, { input, expected }] of cases.entries()) {
    if (input.length !== window * features.length) wrong(`selfTest.cases[${i}].input`, `${input.length} values`);
    if (expected.length !== horizon) wrong(`selfTest.cases[${i}].expected`, `${expected.length} values`);
    if (![...input, ...expected].every(Number.isFinite)) wrong(`selfTest.cases[${i}]`, 'a value is not finite');
  }
}

function wrong(where: string, message: string): never {
  throw new SanderlingError('INVALID_ARGUMENT', `${where}: ${message}`, { where });
}
