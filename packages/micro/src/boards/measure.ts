// What a generated model costs on a board: exact instruction counts, stack, memory; and what it answers there.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import type { Generated } from '../generate.ts';
import type { Elements } from '../options.ts';
import { firmwareObjects, scriptFlags } from './build.ts';
import { readElf, sizeOfSections } from './elf.ts';
import { instructionsOf, runFirmware } from './emulator.ts';
import { inputFile, markLayers, measuringMain, outputFile, weightsFile } from './harness.ts';
import { compile, type BuildOptions, type Objects } from './objects.ts';
import { bytesOfPorts, portsFromBytes, portsToBytes } from './ports.ts';
import { boards, type BoardName } from './table.ts';

/** Options of {@link measure}. */
export interface MeasureOptions extends BuildOptions {
  readonly board: BoardName;
  /** Inputs of each call; state is reset before the first. */
  readonly inputs: readonly Elements[];
  /** Also count layer by layer, in a second build with a timer read behind each. @default false */
  readonly perLayer?: boolean;
  /** Longest run of the board in milliseconds. @default 120000 */
  readonly runTimeout?: number;
}

/** Instructions of one layer in the last call. `index` as in the report. */
export interface LayerCost {
  readonly index: number;
  readonly instructions: number;
}

/** What was found. Bytes and instructions. */
export interface Measurement {
  readonly board: BoardName;
  /** Instructions of NAME_run, from its call to its return, for each call. */
  readonly instructions: readonly number[];
  readonly outputs: readonly Elements[];
  /** Largest stack of a call, below its caller's. */
  readonly stackBytes: number;
  /** The answer of the self-test: 0, or the number of the vector that failed; undefined without one. */
  readonly selfTest: number | undefined;
  /** Flash of the model with what it needs of the C library; a blob of weights counts as constants. */
  readonly flash: { readonly code: number; readonly constants: number };
  /** Variables that the code needs beside state and arena; 0 for all but errno of some functions of libm. */
  readonly variableBytes: number;
  /** Costs of the layers that have code; undefined unless asked for. The marks hinder the compiler a little: the sum may differ from `instructions`. */
  readonly layers: readonly LayerCost[] | undefined;
}

/**
 * Builds generated code for an emulated board, runs the calls there, and counts.
 * @throws UNAVAILABLE without the tools; TOO_LARGE when the board's 4 MiB of code or of data do not suffice; INVALID_ARGUMENT for inputs that do not fit;
 * INTERNAL with the console in `details` when the program faults, as for a stack overflow; TIMEOUT; CANCELLED.
 */
export async function measure(generated: Generated, options: MeasureOptions): Promise<Measurement> {
  const { face, files } = generated;
  const { board, inputs } = options;
  const fed = Buffer.concat(inputs.map((call) => portsToBytes(face.inputs, call)));
  const texts = { ...files, [mainFile]: measuringMain(generated, inputs.length) };
  await using objects = await compile(board, { texts }, options);
  const written = await runCalls(objects, fed, { ...options, blob: generated.blob });
  const record = 12 + bytesOfPorts(face.outputs);
  const records = recordsOf(written, record, inputs.length);
  return {
    board,
    instructions: records.map((bytes) => instructionsOf(Number(bytes.readBigUInt64LE(0)))),
    outputs: records.map((bytes) => portsFromBytes(face.outputs, bytes.subarray(12))),
    stackBytes: Math.max(0, ...records.map((bytes) => bytes.readUInt32LE(8))),
    selfTest: face.selfTest ? written.readInt32LE(record * inputs.length) : undefined,
    ...(await librarySize(generated, objects)),
    layers: options.perLayer === true ? await layerCosts(generated, fed, options) : undefined,
  };
}

const mainFile = 'measuring-main.c';

interface Running extends MeasureOptions {
  readonly blob: Uint8Array | undefined;
}

/** Links the measuring program, feeds it, and returns what it wrote. */
async function runCalls(objects: Objects, fed: Buffer, options: Running): Promise<Buffer> {
  const { board, signal, runTimeout = 120_000 } = options;
  const { folder } = objects;
  const flags = scriptFlags(boards[board].script, options);
  const path = await objects.link({ own: firmwareObjects, flags, name: 'measuring' });
  await writeFile(join(folder, inputFile), fed);
  if (options.blob) await writeFile(join(folder, weightsFile), options.blob);
  const run = { counting: true, cwd: folder, timeout: runTimeout, signal };
  await using emulator = await runFirmware({ board, path }, run);
  const status = await emulator.ended;
  if (status !== 0)
    throw new SanderlingError('INTERNAL', `the program ended with ${status}: ${emulator.lines.join(' ')}`, {
      details: { status, console: emulator.lines },
      fix: emulator.lines.some((line) => line.includes('stack overflowed'))
        ? 'give it more stack (stackBytes)'
        : 'please report the model: generated code must not fault',
    });
  return await readFile(join(folder, outputFile));
}

function recordsOf(written: Buffer, bytes: number, count: number): readonly Buffer[] {
  if (written.length !== bytes * count + 4)
    throw new SanderlingError('INTERNAL', `the board wrote ${written.length} bytes instead of ${bytes * count + 4}`);
  return Array.from({ length: count }, (_, i) => written.subarray(i * bytes, (i + 1) * bytes));
}

async function layerCosts(generated: Generated, fed: Buffer, options: MeasureOptions): Promise<readonly LayerCost[]> {
  const { files, layers } = markLayers(generated);
  const texts = { ...files, [mainFile]: measuringMain(generated, options.inputs.length, layers.length) };
  await using objects = await compile(options.board, { texts }, options);
  const written = await runCalls(objects, fed, { ...options, blob: generated.blob });
  const bytes = 12 + 8 * (layers.length + 2) + bytesOfPorts(generated.face.outputs);
  const last = recordsOf(written, bytes, options.inputs.length).at(-1);
  if (last === undefined) return [];
  const marks = Array.from({ length: layers.length + 2 }, (_, i) => Number(last.readBigUInt64LE(12 + 8 * i)));
  const empty = marks[1]! - marks[0]!;
  return layers.map((index, i) => ({
    index,
    instructions: Math.max(0, instructionsOf(marks[i + 2]! - marks[i + 1]! - empty)),
  }));
}

/** What the model takes of the flash by itself: linked alone, all that its functions reach. */
async function librarySize(
  { face: { prefix, states, selfTest }, blob }: Generated,
  objects: Objects,
): Promise<Pick<Measurement, 'flash' | 'variableBytes'>> {
  const roots = [
    `${prefix}_run`,
    ...(states.length > 0 ? [`${prefix}_reset`] : []),
    ...(selfTest ? [`${prefix}_self_test`] : []),
  ];
  const flags = [`-Wl,--entry=${prefix}_run`, ...roots.map((name) => `-Wl,--undefined=${name}`)];
  const library = objects.without(mainFile.replace(/c$/, 'o'));
  const path = await library.link({ own: ['errno'], flags, name: 'library' });
  const elf = readElf(await readFile(path));
  return {
    flash: {
      code: sizeOfSections(elf, '.text', '.init', '.fini'),
      constants: sizeOfSections(elf, '.rodata') + (blob?.length ?? 0),
    },
    variableBytes: sizeOfSections(elf, '.data', '.bss'),
  };
}
