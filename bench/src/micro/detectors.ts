// Drift detectors in C on emulated boards: bytes of state and flash, exact instructions a sample, and whether they decide as packages/drift on long streams.
// Run: node bench/src/micro/detectors.ts
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDetector,
  createVectorDetector,
  detectorNames,
  detectors,
  rowsFrom,
  type VectorDetector,
} from '@sanderling/drift';
import { createRandom, sha256, type Random } from '@sanderling/kit';
import {
  boardNames,
  buildFirmware,
  buildModelImage,
  generateC,
  generateDetectorC,
  generateForecasterC,
  measure,
  quantiseForDevice,
  runFirmware,
  type BoardName,
  type Firmware,
  type GeneratedDetector,
  type GeneratedForecaster,
} from '@sanderling/micro';
import { readModel, type Model } from '@sanderling/onnx';
import { parsePreprocessing } from '@sanderling/series';

const length = 20_000;
/** Streams: three whose level changes, one that is steady, one of constant stretches; now and then what is no sample. */
const kinds = ['moving', 'moving', 'moving', 'steady', 'constant'] as const;
type Kind = (typeof kinds)[number];
const dimensions = 4;

/** A detector in both languages, and samples for it. */
interface Subject {
  readonly name: string;
  readonly generated: GeneratedDetector;
  readonly create: () => Pick<VectorDetector, 'driftDetected' | 'warningDetected' | 'evidence'> & {
    update(sample: never): void;
  };
  readonly stream: (seed: number, kind: Kind) => readonly Sample[];
}

type Sample = number | Float64Array;

/** Levels that change about every 400 samples, unless the stream is steady. */
function levels(random: Random, kind: Kind, draw: (level: number) => Sample): readonly Sample[] {
  let level = 0.2;
  let stretch = draw(level);
  return Array.from({ length }, () => {
    const changes = kind !== 'steady' && random.next() < 1 / 400;
    if (changes) level = random.next();
    if (changes) stretch = draw(level);
    if (random.next() < 0.001)
      return typeof stretch === 'number' ? random.pick(outside) : stretch.map(() => random.pick(outside));
    return kind === 'constant' ? stretch : draw(level);
  });
}

const outside = [Number.NaN, Infinity, -Infinity];

const draws = {
  real: (random: Random, level: number) => 4 * level + random.normal(),
  unit: (random: Random, level: number) => Math.min(1, Math.max(0, level + 0.1 * random.normal())),
  binary: (random: Random, level: number) => Number(random.next() < level),
} as const;

const scalars = detectorNames.map(
  (name): Subject => ({
    name,
    generated: generateDetectorC({ detector: name, name: 'subject' }),
    create: () => createDetector(name),
    stream(seed, kind) {
      const random = createRandom(seed, name);
      return levels(random, kind, (level) => draws[detectors[name].input](random, level));
    },
  }),
);

const vectors = (['lsdd', 'mmd', 'spll'] as const).map((name): Subject => {
  const random = createRandom(name);
  const vector = (random: Random, level: number): Float64Array =>
    Float64Array.from({ length: dimensions }, (_, j) => 10 * j + random.normal() + 2 * Math.max(0, level - 0.6));
  const reference = Array.from({ length: 300 }, () => vector(random, 0));
  return {
    name: `${name}, ${dimensions} features`,
    generated: generateDetectorC({ detector: name, reference, name: 'subject' }),
    create() {
      const detector = createVectorDetector(name, dimensions, { refit: 0 });
      detector.setReference(rowsFrom(reference));
      return detector;
    },
    stream(seed, kind) {
      const drawn = createRandom(seed, name);
      return levels(drawn, kind, (level) => vector(drawn, level));
    },
  };
});

/** A main that feeds a detector and writes for each sample its flags, instructions' ticks and evidence; without one, what the rest of the firmware takes. */
function mainText(subject: GeneratedDetector | undefined): string {
  const width = subject?.face.dimensions ?? 1;
  const update = subject?.face.input === 'vector' ? 'sample' : 'sample[0]';
  return `#include "board.h"
#include "semihosting.h"
${subject ? '#include "subject.h"\nstatic subject_state state;' : ''}
typedef struct { uint32_t flags; uint32_t ticks; double evidence; } saying;
int main(void)
{
    static double sample[${width}];
    static saying said;
    const int32_t in = host_open("stream.bin", false);
    const int32_t out = host_open("sayings.bin", true);
    const uint64_t before = board_ticks();
    const uint64_t empty = board_ticks() - before;
    if (in < 0 || out < 0) { return 1; }
    ${subject ? 'subject_reset(&state);' : ''}
    while (host_read(in, sample, sizeof sample)) {
        const uint64_t start = board_ticks();
        ${subject ? `said.flags = subject_update(&state, ${update});` : ''}
        said.ticks = (uint32_t)(board_ticks() - start - empty);
        ${subject ? 'said.evidence = subject_evidence(&state);' : ''}
        if (!host_write(out, &said, sizeof said)) { return 2; }
    }
    return 0;
}
`;
}

const flashOf = ({ elf }: Firmware): number =>
  elf.sections.filter(({ name }) => name === '.text' || name === '.rodata').reduce((sum, { size }) => sum + size, 0);

const build = (board: BoardName, subject: GeneratedDetector | undefined): Promise<Firmware> =>
  buildFirmware(board, { texts: { ...subject?.files, 'main.c': mainText(subject) } });

/** What a run found. `apart`: largest relative difference of the evidence; `closest`: least distance of an evidence from the threshold. */
interface Found {
  readonly flash: number;
  readonly mean: number;
  readonly most: number;
  readonly different: number;
  readonly alarms: number;
  readonly apart: number;
  readonly closest: number;
}

async function run(board: BoardName, { generated, create, stream }: Subject, bare: number): Promise<Found> {
  await using firmware = await build(board, generated);
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const all = { total: 0, most: 0, different: 0, alarms: 0, apart: 0, closest: Infinity };
  try {
    for (const [seed, kind] of kinds.entries()) {
      const samples = stream(seed, kind);
      await writeFile(
        join(folder, 'stream.bin'),
        Buffer.from(Float64Array.from(samples.flatMap((x) => (typeof x === 'number' ? [x] : [...x]))).buffer),
      );
      await using emulator = await runFirmware(firmware, { cwd: folder, counting: true });
      if ((await emulator.ended) !== 0) throw new Error(emulator.lines.join('\n'));
      judge(await readFile(join(folder, 'sayings.bin')), samples, create(), all);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const { total, ...rest } = all;
  return { flash: flashOf(firmware) - bare, mean: total / (length * kinds.length), ...rest };
}

/** Adds what a board said to `all`. */
function judge(
  written: Buffer,
  samples: readonly Sample[],
  detector: ReturnType<Subject['create']>,
  all: { total: number; most: number; different: number; alarms: number; apart: number; closest: number },
): void {
  if (written.length !== samples.length * 16) throw new Error(`${written.length / 16} sayings`);
  for (const [i, sample] of samples.entries()) {
    let flags = 0;
    try {
      detector.update(sample as never);
    } catch {
      flags = 4;
    }
    flags += Number(detector.driftDetected) + 2 * Number(detector.warningDetected);
    const instructions = Math.round((written.readUInt32LE(i * 16 + 4) * 40) / 1024);
    const evidence = written.readDoubleLE(i * 16 + 8);
    all.total += instructions;
    all.most = Math.max(all.most, instructions);
    all.different += Number(written.readUInt32LE(i * 16) !== flags);
    all.alarms += flags & 1;
    if (evidence !== detector.evidence) all.apart = Math.max(all.apart, Math.abs(evidence / detector.evidence - 1));
    // KSWIN puts a threshold that is met 1e-9 of a step above it, so that rounding cannot matter there.
    if (Math.abs(detector.evidence - 1) > 1e-9) all.closest = Math.min(all.closest, Math.abs(detector.evidence - 1));
  }
}

const bares = new Map<BoardName, number>();
for (const board of boardNames) {
  await using firmware = await build(board, undefined);
  bares.set(board, flashOf(firmware));
}
const rows: string[] = [];
for (const subject of [...scalars, ...vectors]) {
  const [m7, m4] = [await run('m7', subject, bares.get('m7')!), await run('m4', subject, bares.get('m4')!)];
  const { stateBytes, constantBytes, libm } = subject.generated.report;
  const shown = (x: number): string => (x === 0 ? '0' : x.toExponential(0));
  const row = [
    subject.name,
    stateBytes,
    constantBytes,
    m7.flash,
    m4.flash,
    `${Math.round(m7.mean)} (${m7.most})`,
    `${Math.round(m4.mean)} (${m4.most})`,
    m7.alarms,
    m7.different + m4.different,
    libm || '–',
    shown(Math.max(m7.apart, m4.apart)),
    shown(Math.min(m7.closest, m4.closest)),
  ];
  rows.push(`| ${row.join(' | ')} |`);
  console.log(rows.at(-1));
}
/** The forecaster around a model: what a reading costs beside the model. */
async function forecasterRow(name: string, model: Model, int8: boolean): Promise<string> {
  const preprocessing = parsePreprocessing({
    version: 1,
    stepMs: 3_600_000,
    offsetMs: 0,
    window: 24,
    horizon: 3,
    features: ['value', 'hour-sin'],
    mean: 20,
    std: 2,
    differenceStd: 0.5,
    clampSigma: 8,
    maxInterpolateSteps: 1,
    unit: '°C',
  });
  const random = createRandom(name);
  const input = model.graph.inputs[0]!.name;
  const windows = Array.from({ length: 32 }, () => Float32Array.from({ length: 48 }, () => random.normal()));
  const samples = windows.map((data) => ({ [input]: { dtype: 'float32' as const, dims: [1, 24, 2], data } }));
  const used = int8 ? (await quantiseForDevice(model, samples, { budget: 0.5 })).model : model;
  const code = await generateC(used, { name: 'model' });
  const call = { inputs: [{ [input]: windows[0]! }] };
  const alone = {
    m7: await measure(code, { board: 'm7', ...call }),
    m4: await measure(code, { board: 'm4', ...call }),
  };
  const expected = [...(alone.m7.outputs[0]![model.graph.outputs[0]!.name] as Float32Array)];
  const made = generateForecasterC({
    preprocessing,
    monitor: { reference: { mean: 0.5, std: 0.4, n: 1000 } },
    model: code,
    selfTest: { cases: [{ input: [...windows[0]!], expected }], tolerance: 1e-4 },
  });
  const cells: (string | number)[] = [name, made.report.memoryBytes];
  for (const board of boardNames) {
    const options = { board, slot: 'a', sequence: 1, release: sha256(name) } as const;
    const image = await buildModelImage({ texts: made.files }, options);
    const costs = await costsOfReadings(board, made);
    const mean = costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
    cells.push(image.length, alone[board].instructions[0]!, `${Math.round(mean)} (${Math.max(...costs)})`);
  }
  return `| ${cells.join(' | ')} |`;
}

/** Instructions of each reading of an hourly series, once the window is full. */
async function costsOfReadings(board: BoardName, { files, report }: GeneratedForecaster): Promise<readonly number[]> {
  const count = 1000;
  const main = `#include "board.h"
#include "semihosting.h"
#include "forecaster.h"
static double memory[${report.memoryBytes / 8}];
int main(void)
{
    static sanderling_answer answer;
    const int32_t out = host_open("ticks.bin", true);
    const uint64_t before = board_ticks();
    const uint64_t empty = board_ticks() - before;
    forecaster_entry.start(memory);
    for (int32_t i = 0; i < ${count}; i++) {
        const float value = 20.0F + (float)((i * 7919) % 100) / 50.0F;
        const int64_t time = 1600000000000 + (int64_t)i * 3600000;
        const uint64_t start = board_ticks();
        forecaster_entry.reading(memory, time, value, &answer);
        const uint32_t ticks = (uint32_t)(board_ticks() - start - empty);
        if (!host_write(out, &ticks, sizeof ticks)) { return 1; }
    }
    return 0;
}
`;
  await using firmware = await buildFirmware(board, { texts: { ...files, 'main.c': main } });
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    await using emulator = await runFirmware(firmware, { cwd: folder, counting: true });
    if ((await emulator.ended) !== 0) throw new Error(emulator.lines.join('\n'));
    const written = await readFile(join(folder, 'ticks.bin'));
    return Array.from({ length: count - 100 }, (_, i) => Math.round((written.readUInt32LE((i + 100) * 4) * 40) / 1024));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const gru = await readModel(
  new URL('../../../packages/micro/src/fixtures/forecaster-gru.onnx', import.meta.url).pathname,
);
const forecasters: string[] = [];
for (const int8 of [false, true]) {
  forecasters.push(await forecasterRow(int8 ? 'GRU of 16, int8' : 'GRU of 16, float', gru, int8));
  console.log(forecasters.at(-1));
}

const text = [
  '# Drift detectors in C',
  '',
  `Default options; ${kinds.length} streams of ${length} samples each (${kinds.join(', ')}; one sample in a thousand is NaN or infinite) on the emulated Cortex-M7 (double precision in hardware) and Cortex-M4 (in software), \`-O2\`. Instructions are counted exactly (\`-icount shift=10\`): the same on every machine and in every run; they are not cycles.`,
  'Flash is what the firmware grows by: code, constants, and what it needs of libm and of the compiler’s library and did not have. Different: samples on which a flag (drift, warning, refused) is not that of packages/drift, over both boards.',
  '`libm`: functions whose last bit differs between C libraries and V8. Apart: largest relative difference of the evidence that follows; closest: least distance of any evidence from its threshold of 1, which is how far apart the evidence would have to be to change a decision.',
  '`node bench/src/micro/detectors.ts`',
  '',
  '| detector | state, bytes | constants | flash M7 | flash M4 | instructions a sample M7 (most) | M4 (most) | alarms | different | libm | apart | closest |',
  '|---|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|',
  ...rows,
  '',
  '## A whole forecaster',
  '',
  'Window of 24 hours of value and hour of day, 3 steps ahead, Page–Hinkley on its residuals: readings to grid, features, normalisation, model, ledger, monitor. Image: the file that a device gets, with its header, self-test of one case and what it needs of libm. Most: a reading that also settles a forecast and feeds the detector.',
  '',
  '| model | memory, bytes | image M7 | model alone M7 | a reading M7 (most) | image M4 | model alone M4 | a reading M4 (most) |',
  '|---|--:|--:|--:|--:|--:|--:|--:|',
  ...forecasters,
  '',
].join('\n');
await writeFile(new URL('../../results/micro-detectors.md', import.meta.url), text);
