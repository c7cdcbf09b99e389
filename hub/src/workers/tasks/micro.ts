// A model for a microcontroller: written as C with everything around it, measured on the emulated board, checked against the part's memory, linked as images.
import type { ResidualMonitorConfig } from '@sanderling/drift';
import { SanderlingError } from '@sanderling/kit';
import { decodeModel } from '@sanderling/onnx';
import type { DeviceCost, MicroTarget, ReleaseImage, SelfTestCase } from '@sanderling/wire';
import type { Generated, Measurement } from '@sanderling/micro';
import type { TaskContext } from '../serve.ts';
import type { ModelInput } from './run-model.ts';

/** A release's content, for one target. */
export interface MicroInput extends ModelInput {
  readonly target: MicroTarget;
  readonly drift: ResidualMonitorConfig;
  /** Windows, and the forecasts that the hub made of them. */
  readonly cases: readonly SelfTestCase[];
  /** What the images say of their release. Without it nothing but the cost is wanted. */
  readonly images?: { readonly sequence: number; readonly release: string };
}

/** What came of it. */
export interface MicroResult {
  readonly cost: DeviceCost;
  /** Windows, and the forecasts that the board made of them: what its self-test expects. */
  readonly selfTest: readonly SelfTestCase[];
  /** One for each slot; empty unless they were wanted. */
  readonly images: readonly { readonly image: Omit<ReleaseImage, 'file'>; readonly bytes: Uint8Array }[];
}

/** News of the task: what it does now. */
export interface MicroNews {
  readonly doing: string;
}

/** The most memory that the device's firmware gives a model, bytes (its DEVICE_MODEL_BYTES). */
const deviceMemory = 256 * 1024;
/** Largest difference between the hub's forecast and the board's, normalised: rounding in float, some steps of the last scale in int8. */
const largestDifference = { float: 1e-3, int8: 0.15 };
/** Largest difference from the board's own forecast that a device's self-test allows, normalised. */
const imageTolerance = 1e-3;

/**
 * @throws TOO_LARGE with what to shrink; UNAVAILABLE naming the Debian packages when the tools are not there; UNSUPPORTED for what cannot be written as C;
 * INVALID_MODEL when the board forecasts something else than the hub
 */
export async function micro(input: MicroInput, context: TaskContext): Promise<MicroResult> {
  const { boards, buildModelImages, generateC, linkBudget, measure, requireBoardTools, targets } = await import(
    '@sanderling/micro'
  );
  const tell = (doing: string): void => context.tell({ doing } satisfies MicroNews);
  await requireBoardTools();
  const { board, megahertz } = targets[input.target];
  tell('writing the model as C');
  const generated = await generateC(decodeModel(input.model), { name: 'model' });
  tell(`measuring it on the emulated ${boards[board].title}`);
  const [windowName, forecastName] = [generated.face.inputs[0]!.name, generated.face.outputs[0]!.name];
  const inputs = input.cases.map((one) => ({ [windowName]: Float32Array.from(one.input) }));
  const [measured] = await Promise.all([measure(generated, { board, inputs }), linkBudget(generated, input.target)]);
  const selfTest = input.cases.map((one, i) => ({
    input: one.input,
    expected: [...(measured.outputs[i]![forecastName] as Float32Array)],
  }));
  const difference = differenceOf(input.cases, selfTest);
  refuseDifference(difference, generated);
  const { files, memoryBytes, constantBytes } = await forecasterOf(input, generated, selfTest);
  tell('linking the images');
  const all = await slotAddresses(input.target);
  const { sequence, release } = input.images ?? { sequence: 1, release: '0'.repeat(64) };
  const slots = input.images === undefined ? all.slice(0, 1) : all;
  const built = await buildModelImages({ texts: files }, { board, slots, sequence, release });
  const images = built.map((bytes, i) => ({ image: { board, slotAddress: slots[i]!, sequence, release }, bytes }));
  const cost: DeviceCost = {
    ...costOf(measured),
    megahertz,
    memoryBytes,
    imageBytes: Math.max(...images.map(({ bytes }) => bytes.length)),
    constantBytes,
    multiplyAccumulates: generated.report.macs,
    difference,
  };
  return { cost, selfTest, images: input.images === undefined ? [] : images };
}

/** Whether releases for microcontrollers can be made here: asked before anything is trained for one. @throws UNAVAILABLE naming the Debian packages */
export async function tools(): Promise<void> {
  const { requireBoardTools } = await import('@sanderling/micro');
  await requireBoardTools();
}

function costOf({
  board,
  instructions,
  stackBytes,
}: Measurement): Pick<DeviceCost, 'board' | 'instructions' | 'stackBytes'> {
  return { board, instructions: Math.max(...instructions), stackBytes };
}

async function forecasterOf(
  { preprocessing, drift }: MicroInput,
  model: Generated,
  cases: readonly SelfTestCase[],
): Promise<{
  readonly files: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly constantBytes: number;
}> {
  const { generateForecasterC } = await import('@sanderling/micro');
  const selfTest = { cases, tolerance: imageTolerance };
  const { files, report } = generateForecasterC({ preprocessing, monitor: drift, model, selfTest });
  const { memoryBytes, constantBytes, modelBytes, windowBytes } = report;
  if (memoryBytes <= deviceMemory) return { files, memoryBytes, constantBytes };
  throw new SanderlingError(
    'TOO_LARGE',
    `the release wants ${memoryBytes} bytes of memory (window ${windowBytes}, model ${modelBytes}); the device's firmware gives ${deviceMemory}`,
    { fix: 'shorten the window, or use fewer hidden units' },
  );
}

/** Where the slots of the part's flash begin, and those of the emulated board, whose flash lies elsewhere. */
async function slotAddresses(target: MicroTarget): Promise<readonly number[]> {
  const { boards, flashLayout, targets } = await import('@sanderling/micro');
  const { board, banks } = targets[target];
  const flash = banks.find(({ name }) => name === 'FLASH')!.origin;
  const { a, b } = flashLayout.slotOffsets;
  return [flash + a, flash + b, boards[board].slots.a, boards[board].slots.b];
}

function differenceOf(hub: readonly SelfTestCase[], board: readonly SelfTestCase[]): number {
  const differences = hub.flatMap(({ expected }, i) =>
    expected.map((value, k) => Math.abs(value - board[i]!.expected[k]!)),
  );
  return differences.reduce((most, value) => (value <= most ? most : value), 0);
}

function refuseDifference(difference: number, { report }: Generated): void {
  const isInt8 = report.layers.some(({ operator }) => operator.startsWith('Int8'));
  const allowed = isInt8 ? largestDifference.int8 : largestDifference.float;
  if (difference <= allowed) return;
  throw new SanderlingError(
    'INVALID_MODEL',
    `the emulated board forecasts something else than the hub: they differ by ${difference} (normalised), ${allowed} are allowed`,
    { fix: 'leave quantise-int8 out of the optimisations, or report the model' },
  );
}
