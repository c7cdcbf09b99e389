// sanderling micro: ONNX models as C for microcontrollers: written, measured on emulated boards, run there.
import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { detectorNames, type DetectorName } from '@sanderling/drift';
import { SanderlingError, writeFileAtomic } from '@sanderling/kit';
import {
  boardNames,
  boards,
  generateC,
  generateDetectorC,
  isQuantised,
  linkBudget,
  measure,
  nameFrom,
  quantiseForDevice,
  reportText,
  targetNames,
  targets,
  withSizes,
  type BoardName,
  type Generated,
  type GeneratedDetector,
  type GenerateOptions,
  type Measurement,
  type SelfTestVector,
  type TargetName,
} from '@sanderling/micro';
import {
  openSession,
  readModel,
  type Feeds,
  type Model,
  type QuantisationReport,
  type RangeMethod,
  type RunTensor,
  type TensorArray,
} from '@sanderling/onnx';
import { facts } from '../output.ts';
import type { Answer, CommandGroup } from './command.ts';
import { wholeNumber } from './numbers.ts';
import {
  budgetText,
  detectorText,
  layerTable,
  perMac,
  quantisationText,
  shareText,
  shown,
  slotText,
} from './micro-text.ts';
import { randomSamples, readCalibration, readSamples, wanted, type InputPort, type Sample } from './micro-samples.ts';

interface ModelFlags {
  readonly target: TargetName;
  readonly name?: string;
  readonly size?: readonly string[];
  readonly carry?: boolean;
  /** Of compile alone. */
  readonly split?: boolean;
  readonly weights: 'const' | 'blob';
  readonly selfTest?: number;
  readonly int8?: boolean;
  readonly calibration?: string;
  readonly method: RangeMethod;
  readonly budget: number;
}

interface CompileFlags extends ModelFlags {
  readonly out?: string;
  readonly detector?: DetectorName;
}

interface BoardFlags extends ModelFlags {
  readonly board?: BoardName;
  readonly stack: number;
  readonly input?: string;
  readonly seed: number;
  readonly calls: number;
}

export const microCommands: CommandGroup = (program, run) => {
  const micro = program.command('micro').description('ONNX models as C for microcontrollers');
  withModelFlags(micro.command('compile'))
    .option('--out <folder>', 'where the C files go (a folder with the name of the model)')
    .option('--split', 'a C file for each layer')
    .addOption(
      new Option('--detector <name>', 'a drift detector beside the model, of one number at a time').choices(
        detectorNames,
      ),
    )
    .description('write NAME.c and NAME.h; print what each layer costs')
    .addHelpText(
      'after',
      '\nThe code needs nothing but libc and libm. --int8 wants samples of the inputs: --calibration.',
    )
    .action((path: string, _flags, command: Command) =>
      run(command, ({ signal }) => compile(path, command.optsWithGlobals<CompileFlags>(), signal)),
    );
  withBoardFlags(micro.command('bench'))
    .description('count instructions, stack, RAM and flash on an emulated board; check the memory of the part')
    .addHelpText(
      'after',
      '\nStatus 3 when the model does not fit the part. Counts are exact and the same on every machine.',
    )
    .action((path: string, _flags, command: Command) =>
      run(command, ({ signal }) => bench(path, command.optsWithGlobals<BoardFlags>(), signal)),
    );
  withBoardFlags(micro.command('run'))
    .description('run a model on an emulated board and compare with ONNX Runtime')
    .addHelpText(
      'after',
      '\nInputs come from --input, or are random (--seed, --calls). State is kept from call to call.',
    )
    .action((path: string, _flags, command: Command) =>
      run(command, ({ signal }) => runOnBoard(path, command.optsWithGlobals<BoardFlags>(), signal)),
    );
};

function withModelFlags(command: Command): Command {
  return command
    .argument('<model>', 'ONNX file')
    .addOption(new Option('--target <part>', 'the part that it is for').choices(targetNames).default('stm32h745'))
    .option('--name <name>', 'prefix of all names in the C code (from the file name)')
    .option('--size <name=n...>', 'numbers for symbolic dimensions; the first one of inputs is 1 unless told otherwise')
    .option('--carry', 'recurrent layers keep their hidden state from call to call')
    .addOption(
      new Option('--weights <where>', 'const: in the C code; blob: in a file that the code takes at run time')
        .choices(['const', 'blob'])
        .default('const'),
    )
    .option('--self-test <n>', 'write NAME_self_test into the code, with so many vectors', wholeNumber())
    .option('--int8', 'quantise to int8')
    .option('--calibration <path>', 'samples of the inputs for --int8: a folder or a file (.npy, .json, .csv)')
    .addOption(
      new Option('--method <method>', 'how ranges are chosen for --int8')
        .choices(['minmax', 'percentile', 'mse', 'entropy'])
        .default('minmax'),
    )
    .option(
      '--budget <share>',
      'largest error of the outputs for --int8, relative; layers beyond it stay in float',
      share,
      0.05,
    );
}

function withBoardFlags(command: Command): Command {
  return withModelFlags(command)
    .addOption(new Option('--board <board>', 'the emulated core (the one of the part)').choices(boardNames))
    .option('--input <path>', 'inputs: a folder or a file (.npy, .json, .csv, .bin)')
    .option('--seed <n>', 'seed of random inputs', wholeNumber(0), 1)
    .option('--calls <n>', 'number of random inputs', wholeNumber(), 1)
    .option('--stack <bytes>', 'stack of the firmware', wholeNumber(1024), 16_384);
}

/** A model ready for the board, and what was done to it. `given`: what ONNX Runtime runs as the reference. */
interface Prepared {
  readonly given: Model;
  readonly model: Model;
  readonly generated: Generated;
  readonly quantisation: QuantisationReport | undefined;
}

async function prepared(path: string, flags: ModelFlags, signal: AbortSignal): Promise<Prepared> {
  const { sizes, ...options } = generateOptions(path, flags);
  const given = await withSizes(await readModel(path), { sizes });
  if (flags.int8 !== true) {
    const generated = await withSelfTest(given, options, flags);
    return { given, model: given, generated, quantisation: undefined };
  }
  if (isQuantised(given))
    throw new SanderlingError('INVALID_ARGUMENT', 'the model is quantised already', {
      where: '--int8',
      fix: 'leave --int8 out',
    });
  const ports = (await generateC(given, options)).face.inputs;
  if (flags.calibration === undefined)
    throw new SanderlingError('INVALID_ARGUMENT', '--int8 wants samples of the inputs', {
      where: '--calibration',
      fix: wanted(ports),
    });
  const samples = await readCalibration(flags.calibration, ports);
  const feeds = samples.map((sample) => feedsOf(sample, ports));
  const { model, report } = await quantiseForDevice(given, feeds, {
    method: flags.method,
    budget: flags.budget,
    signal,
  });
  return { given, model, generated: await withSelfTest(model, options, flags), quantisation: report };
}

/** Generates, with vectors if they are asked for: samples of the calibration or random ones, and what ONNX Runtime answers. */
async function withSelfTest(model: Model, options: GenerateOptions, flags: ModelFlags): Promise<Generated> {
  const generated = await generateC(model, options);
  if (flags.selfTest === undefined) return generated;
  const { inputs, outputs, states } = generated.face;
  if (states.length > 0)
    throw new SanderlingError('INVALID_ARGUMENT', 'what a model with state answers depends on the calls before', {
      where: '--self-test',
      fix: 'leave out --carry or --self-test',
    });
  const samples =
    flags.calibration === undefined
      ? randomSamples(inputs, flags.selfTest, 1)
      : await readSamples(flags.calibration, inputs);
  await using session = await openSession(model, { optimisation: 'basic' });
  const vectors: SelfTestVector[] = [];
  for (const sample of samples.slice(0, flags.selfTest)) {
    const answer = await session.run(feedsOf(sample, inputs));
    const told = outputs.map(({ name }) => [name, answer[name]!.data as TensorArray] as const);
    vectors.push({ inputs: sample, outputs: Object.fromEntries(told) });
  }
  return generateC(model, { ...options, selfTest: { vectors } });
}

type Options = GenerateOptions & Required<Pick<GenerateOptions, 'sizes'>>;

function generateOptions(path: string, { name, size = [], carry, weights, split }: ModelFlags): Options {
  const sizes = size.map((pair) => {
    const [dimension = '', number] = pair.split('=');
    if (number === undefined || !Number.isSafeInteger(Number(number)) || Number(number) < 1)
      throw new SanderlingError('INVALID_ARGUMENT', `"${pair}" is not name=number`, { where: '--size' });
    return [dimension, Number(number)] as const;
  });
  return {
    name: name ?? nameFrom(basename(path, extname(path))),
    sizes: Object.fromEntries(sizes),
    weights,
    ...(carry === true ? { carry: true } : {}),
    ...(split === true ? { split: true } : {}),
  };
}

async function compile(path: string, flags: CompileFlags, signal: AbortSignal): Promise<Answer> {
  const { generated, quantisation } = await prepared(path, flags, signal);
  const { report, blob } = generated;
  const out = flags.out ?? report.name;
  await mkdir(out, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' && error.code !== 'ENOTDIR') throw error;
    throw new SanderlingError('INVALID_ARGUMENT', `${out} is no folder`, { where: '--out', cause: error });
  });
  const detector = flags.detector && detectorFor(flags.detector, report.name);
  const all = { ...generated.files, ...detector?.files };
  const texts = Object.entries(all).map(([name, text]) => [join(out, name), text] as const);
  const files = [...texts, ...(blob ? [[join(out, `${report.name}.weights`), blob] as const] : [])];
  for (const [file, text] of files) await writeFileAtomic(file, text);
  const names = files.map(([file]) => file);
  const table = [reportText(report).trimEnd(), shareText(report, flags.target), ...quantisationText(quantisation)];
  return {
    data: { files: names, report, quantisation, ...(detector ? { detector: detector.report } : {}) },
    text: [...table, ...detectorText(detector?.report), '', `Written: ${names.join(', ')}`].join('\n'),
  };
}

/** A detector whose names begin with the model's. */
const detectorFor = (detector: DetectorName, model: string): GeneratedDetector =>
  generateDetectorC({ detector, name: `${model.slice(0, 25)}_drift` });

async function bench(path: string, flags: BoardFlags, signal: AbortSignal): Promise<Answer> {
  const { generated, quantisation } = await prepared(path, flags, signal);
  const { board, stackBytes, samples } = await boardRun(generated, flags);
  const budget = await linkBudget(generated, flags.target, { stackBytes, signal });
  const found = await measure(generated, { board, inputs: samples, stackBytes, signal, perLayer: true });
  const { report } = generated;
  const [instructions = 0] = found.instructions.toSorted((a, b) => b - a);
  const { outputs: _, layers, ...measured } = found;
  const { megahertz } = targets[flags.target];
  const milliseconds = instructions / (1000 * megahertz);
  const rates = { perMac: perMac(instructions, report.macs), milliseconds };
  const data = { report, quantisation, ...measured, layers, ...rates, budget };
  const summary = facts([
    ['board', boards[board].title],
    ['instructions', instructions],
    ['multiply-accumulates', report.macs],
    ['instructions per MAC', perMac(instructions, report.macs)],
    [`at ${megahertz} MHz`, `${milliseconds.toPrecision(3)} ms, if it does one instruction a cycle`],
    ['stack', `${found.stackBytes} B`],
    [
      'RAM',
      `${report.arenaBytes} B arena (lower bound ${report.boundBytes}), ${report.stateBytes} B state, ${report.inputBytes} B in, ${report.outputBytes} B out`,
    ],
    ['flash', `${found.flash.code} B code, ${found.flash.constants} B constants`],
    ['model slot', slotText(found)],
    ...(found.selfTest === undefined
      ? []
      : [['self-test', found.selfTest === 0 ? 'passes' : `vector ${found.selfTest} fails`] as const]),
  ]);
  const text = [
    layerTable(generated, layers ?? []),
    ...quantisationText(quantisation),
    '',
    summary,
    '',
    budgetText(budget),
  ];
  return { data, text: text.join('\n') };
}

async function runOnBoard(path: string, flags: BoardFlags, signal: AbortSignal): Promise<Answer> {
  const { given, model, generated, quantisation } = await prepared(path, flags, signal);
  const { board, stackBytes, samples } = await boardRun(generated, flags);
  const found = await measure(generated, { board, inputs: samples, stackBytes, signal });
  const references = [
    ['ONNX Runtime', given] as const,
    ...(quantisation ? [['ONNX Runtime, int8', model] as const] : []),
  ];
  const differences: Record<string, number> = {};
  // What is kept from call to call ONNX Runtime is not told: it would answer another question.
  if (generated.face.states.length === 0)
    for (const [name, reference] of references)
      differences[name] = await differenceFrom(reference, samples, found, generated.face.inputs);
  const { instructions, outputs } = found;
  const plain = outputs.map((call) =>
    Object.fromEntries(Object.entries(call).map(([name, values]) => [name, Array.from(values, Number)])),
  );
  const lines = plain.flatMap((call, i) =>
    Object.entries(call).map(
      ([name, values]) => [`${plain.length > 1 ? `${i + 1} ` : ''}${name}`, shown(values)] as const,
    ),
  );
  const told = Object.entries(differences).map(([name, worst]) => [`largest difference from ${name}`, worst] as const);
  const rest = [['board', boards[board].title], ['instructions', Math.max(...instructions)], ...told] as const;
  return {
    data: { board, outputs: plain, instructions, differences },
    text: facts([...lines, ...rest]),
  };
}

async function boardRun(
  { face }: Generated,
  flags: BoardFlags,
): Promise<{ readonly board: BoardName; readonly stackBytes: number; readonly samples: readonly Sample[] }> {
  const board = flags.board ?? targets[flags.target].board;
  const stackBytes = Math.ceil(flags.stack / 8) * 8;
  const samples =
    flags.input === undefined
      ? randomSamples(face.inputs, flags.calls, flags.seed)
      : await readSamples(flags.input, face.inputs);
  return { board, stackBytes, samples };
}

/** A share of something, for commander. */
function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError('It takes a share, as 0.05.');
  return value;
}

const feedsOf = (sample: Sample, ports: readonly InputPort[]): Feeds =>
  Object.fromEntries(
    ports.map(({ name, dtype, dims }) => [name, { dtype, dims, data: sample[name]! } as RunTensor] as const),
  );

/** The largest |board − reference| over all calls and outputs; NaN counts as equal to NaN. */
async function differenceFrom(
  model: Model,
  samples: readonly Sample[],
  { outputs }: Measurement,
  ports: readonly InputPort[],
): Promise<number> {
  await using session = await openSession(model, { optimisation: 'basic' });
  let worst = 0;
  for (const [i, sample] of samples.entries()) {
    const expected = await session.run(feedsOf(sample, ports));
    for (const [name, values] of Object.entries(outputs[i]!))
      for (const [j, value] of values.entries()) {
        const want = Number(expected[name]!.data[j]);
        if (Object.is(Number(value), want)) continue;
        worst = Math.max(worst, Math.abs(Number(value) - want));
      }
  }
  return worst;
}
