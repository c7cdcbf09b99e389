// Generated models on emulated boards: the bits of the host, exact costs, the budget of the real part, model images in their slots.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, SanderlingError, sha256 } from '@sanderling/kit';
import { decodeModel, GraphBuilder, tensorOf, type Model, type ValueInfo } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { generateC, type Generated } from '../generate.ts';
import { compileForHost, hasCompiler, strictFlags } from '../host.ts';
import { readImage } from '../image/image.ts';
import { randomFloats, randomInputs } from '../testing.ts';
import { readElf } from './elf.ts';
import {
  boardNames,
  boards,
  buildFirmware,
  buildModelImage,
  flashLayout,
  hasBoardTools,
  linkBudget,
  measure,
  quantiseForDevice,
  runFirmware,
  type BoardName,
} from './index.ts';

const tools = (await hasBoardTools()) && (await hasCompiler());
if (!tools)
  console.warn(
    'skipped: models on boards, for want of gcc, qemu-system-arm, gcc-arm-none-eabi, libnewlib-arm-none-eabi',
  );

const fixture = (name: string): Model =>
  decodeModel(readFileSync(new URL(`../fixtures/${name}.onnx`, import.meta.url)));

const random = createRandom(7, 'weights');
const weight = (b: GraphBuilder, ...dims: number[]) => {
  const count = dims.reduce((a, c) => a * c, 1);
  return b.constant(
    tensorOf(
      'float32',
      dims,
      randomFloats(random, count).map((x) => x / Math.sqrt(count / dims[0]!)),
    ),
  );
};

/** Convolution, depthwise and pointwise convolution, pooling, classifier with softmax. */
function cnn(): Model {
  const b = new GraphBuilder('cnn');
  const x = b.input('image', 'float32', [1, 1, 12, 12]);
  const stem = b.op('Relu', [b.op('Conv', [x, weight(b, 4, 1, 3, 3), weight(b, 4)], { pads: [1, 1, 1, 1] })]);
  const deep = b.op('Tanh', [b.op('Conv', [stem, weight(b, 4, 1, 3, 3)], { group: 4, strides: [2, 2] })]);
  const point = b.op('Sigmoid', [b.op('Conv', [deep, weight(b, 8, 4, 1, 1)])]);
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [point])]);
  b.output('classes', b.op('Softmax', [b.op('Gemm', [pooled, weight(b, 3, 8), weight(b, 3)], { transB: 1 })]));
  return b.model();
}

/** The host rounds product by product like the boards. */
const hostFlags = ['-ffp-contract=off'];

describe.skipIf(!tools)('a float model gives on both boards the bits of the host', () => {
  test.each([
    ['GRU', () => fixture('forecaster-gru')],
    ['CNN', cnn],
  ])('%s', async (_name, make) => {
    const model = make();
    const generated = await generateC(model, { name: 'net' });
    const inputs = [1, 2, 3].map((seed) => randomInputs(model, seed));
    await using host = await compileForHost(generated, { flags: hostFlags });
    const wanted = await host.run(inputs);
    for (const board of boardNames) {
      const found = await measure(generated, { board, inputs, flags: strictFlags, perLayer: board === 'm7' });
      expect(found.outputs).toEqual(wanted);
      const { macs, constantBytes, layers } = generated.report;
      const [first] = found.instructions;
      expect(first! / macs).toBeGreaterThan(2);
      expect(first! / macs).toBeLessThan(40);
      expect(found.stackBytes).toBeGreaterThanOrEqual(24);
      expect(found.stackBytes).toBeLessThan(1024);
      // Code that is not inlined, and the linker joining equal constants, may change it a little.
      expect(Math.abs(found.flash.constants - constantBytes)).toBeLessThan(300);
      expect(found.flash.code).toBeGreaterThan(200);
      expect(found.flash.code).toBeLessThan(20_000);
      expect(found.variableBytes).toBe(0);
      if (found.layers === undefined) continue;
      expect(found.layers.map(({ index }) => index)).toEqual(
        layers.filter(({ free }) => !free).map(({ index }) => index),
      );
      const sum = found.layers.reduce((total, { instructions }) => total + instructions, 0);
      expect(Math.abs(sum / found.instructions[2]! - 1)).toBeLessThan(0.03);
    }
  });

  test.each([
    ['GRU', () => fixture('forecaster-gru')],
    ['CNN', cnn],
  ])('also %s in int8, and with its weights in a blob', async (_name, make) => {
    const float = make();
    const [{ name, shape }] = float.graph.inputs as [ValueInfo];
    const dims = (shape as (number | string)[]).map((dim) => (typeof dim === 'number' ? dim : 1));
    const samples = [4, 5, 6].map((seed) => ({
      [name]: { dtype: 'float32' as const, dims, data: randomInputs(float, seed)[name]! },
    }));
    const { model } = await quantiseForDevice(float, samples, { budget: 1 });
    const inputs = [7, 8].map((seed) => randomInputs(float, seed));
    for (const [board, weights] of [
      ['m7', 'const'],
      ['m4', 'blob'],
    ] as const) {
      const generated = await generateC(model, { name: 'net', weights });
      expect(generated.report.layers.map(({ operator }) => operator)).toContain('Int8Dense');
      await using host = await compileForHost(generated, { flags: hostFlags });
      const { outputs, flash } = await measure(generated, { board, inputs, flags: strictFlags });
      expect(outputs).toEqual(await host.run(inputs));
      expect(flash.constants).toBeGreaterThan(generated.report.constantBytes - 400);
      await linkBudget(generated, 'stm32h745');
    }
  });

  test('state and self-test live on the board', async () => {
    const b = new GraphBuilder('steps');
    const x = b.input('x', 'float32', [1, 1, 2]);
    const gates = [weight(b, 1, 12, 2), weight(b, 1, 12, 4), weight(b, 1, 24)];
    const [all] = b.ops('GRU', [x, ...gates], { hidden_size: 4 }, 2);
    b.output('y', all!);
    const model = b.model();
    const inputs = [1, 2].map((seed) => randomInputs(model, seed));
    const plain = await generateC(model, { name: 'net', carry: true });
    await using host = await compileForHost(plain, { flags: hostFlags });
    const outputs = await host.run(inputs);
    expect(outputs[1]).not.toEqual((await host.run(inputs.slice(1)))[0]);
    const vectors = inputs.map((call, i) => ({ inputs: call, outputs: outputs[i]! }));
    const generated = await generateC(model, { name: 'net', carry: true, selfTest: { vectors } });
    expect(await measure(generated, { board: 'm7', inputs })).toMatchObject({ outputs, selfTest: 0 });
    const wrong = [vectors[0]!, { ...vectors[1]!, outputs: { y: new Float32Array(4).fill(9) } }];
    const failing = await generateC(model, { name: 'net', carry: true, selfTest: { vectors: wrong } });
    expect((await measure(failing, { board: 'm4', inputs: [] })).selfTest).toBe(2);
  });
});

describe.skipIf(!tools)('the budget of the STM32H745', () => {
  test('says how full each bank is', async () => {
    const generated = await generateC(fixture('forecaster-gru'));
    const { banks } = await linkBudget(generated, 'stm32h745', { stackBytes: 8192 });
    const used = Object.fromEntries(banks.map((bank) => [bank.bank, bank.used]));
    expect(used['FLASH']).toBeGreaterThan(4044);
    expect(used['FLASH']).toBeLessThan(20_000);
    expect(used['AXI']).toBe(256);
    expect(used['D2']).toBeGreaterThanOrEqual(204);
    expect(used['DTCM']).toBeGreaterThan(8192 + 1024);
    await expect(linkBudget(generated, 'stm32h745', { stackBytes: 160 * 1024 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
      where: 'DTCM',
      fix: expect.stringContaining('less stack') as string,
    });
  });

  test('what is too large does not link: which bank, by how much, what to shrink', async () => {
    const b = new GraphBuilder('large');
    const x = b.input('x', 'float32', [1, 2, 200, 200]);
    const y = b.op('Conv', [x, weight(b, 4, 2, 3, 3)], { pads: [1, 1, 1, 1] });
    b.output('y', b.op('GlobalAveragePool', [b.op('Relu', [y])]));
    const generated = await generateC(b.model());
    const error = await linkBudget(generated, 'stm32h745').then(undefined, (thrown: SanderlingError) => thrown);
    expect(error).toMatchObject({ code: 'TOO_LARGE' });
    const { message, fix, details } = error as SanderlingError;
    const arena = 4 * 4 * 200 * 200;
    expect(message).toContain(
      `AXI (512 KiB, the arena (working memory of the layers)) is ${arena - 512 * 1024} bytes too small`,
    );
    expect(message).toMatch(/D2 \(288 KiB, inputs and outputs\) is \d+ bytes too small/);
    expect(fix).toMatch(/AXI: quantise to int8.*shorten the window/);
    expect(details).toMatchObject({ overflows: [{ bank: 'AXI' }, { bank: 'D2' }] });
  });
});

/** Sources of an image whose readings go through the C library and 64-bit division. */
const imageSources = (more = '') => ({
  texts: {
    'image.c': `#include <math.h>
      #include <string.h>
      #include "sanderling_entry.h"
      ${more}
      typedef struct { float sum; int64_t count; } memory_of_image;
      static int32_t self_test(void *memory) { (void)memory; return expf(0.0F) == 1.0F ? 0 : 1; }
      static void start(void *memory) { memset(memory, 0, sizeof(memory_of_image)); }
      static void reading(void *memory, int64_t time_ms, float value, sanderling_answer *answer) {
        memory_of_image *const m = memory;
        m->sum += value;
        m->count += 1;
        memset(answer, 0, sizeof *answer);
        answer->flags = SANDERLING_FORECAST;
        answer->horizon = 3u;
        answer->forecast[0] = tanhf(m->sum);
        answer->forecast[1] = logf(value);
        answer->forecast[2] = powf(value, 1.5F);
        answer->forecast_time_ms = time_ms / m->count;
      }
      SANDERLING_IMAGE_ENTRY const sanderling_entry sanderling_image_entry =
        {SANDERLING_ENTRY_ABI, sizeof(memory_of_image), self_test, start, reading};`,
  },
});

/** Firmware that puts an image from a file into a slot as an update does, and calls it there. */
const loader = `#include "board.h"
  #include "flash.h"
  #include "sanderling_entry.h"
  #include "sanderling_image.h"
  #include "semihosting.h"
  int main(void) {
    static uint8_t chunk[4096];
    static double memory[16];
    static sanderling_answer answer;
    sanderling_image_header header;
    const int32_t file = host_open("image.bin", false);
    if (file < 0 || !host_read(file, &header, sizeof header)) { return 1; }
    const uint8_t *const slot = (const uint8_t *)(uintptr_t)header.slot_address;
    const uint32_t first = (uint32_t)(slot - flash_base()) / FLASH_SECTOR_BYTES;
    for (uint32_t s = 0u; s < FLASH_SLOT_SECTORS; s++) { if (flash_erase(first + s) != FLASH_OK) { return 2; } }
    const int32_t again = host_open("image.bin", false);
    for (uint32_t done = 0u; done < header.image_bytes; done += sizeof chunk) {
      const uint32_t left = header.image_bytes - done;
      const uint32_t count = left < sizeof chunk ? left : (uint32_t)sizeof chunk;
      if (!host_read(again, chunk, count)) { return 3; }
      if (flash_program(slot + done, chunk, (count + 31u) / 32u * 32u) != FLASH_OK) { return 4; }
    }
    const sanderling_entry *const entry = (const sanderling_entry *)(const void *)(slot + header.entry_offset);
    if (entry->abi != SANDERLING_ENTRY_ABI || entry->memory_bytes > sizeof memory) { return 5; }
    if (entry->self_test(memory) != 0) { return 6; }
    entry->start(memory);
    entry->reading(memory, 1000000000000, 0.25f, &answer);
    entry->reading(memory, 1000000000001, -1.0f, &answer);
    entry->reading(memory, 3000000000000, 0.5f, &answer);
    const int32_t out = host_open("answer.bin", true);
    return host_write(out, &answer, sizeof answer) ? 0 : 7;
  }`;

describe.skipIf(!tools)('a model image', () => {
  const common = { sequence: 7, release: sha256('release') };

  test.each(boardNames)('%s runs from both slots', async (board: BoardName) => {
    await using firmware = await buildFirmware(board, { texts: { 'main.c': loader } });
    const folder = mkdtempSync(join(tmpdir(), 'image-'));
    try {
      for (const slot of ['a', 'b'] as const) {
        const image = await buildModelImage(imageSources(), { board, slot, ...common });
        const { header } = readImage(image);
        expect(header).toMatchObject({ ...common, board, slotAddress: boards[board].slots[slot], entryOffset: 128 });
        expect(image.length).toBeLessThan(20_000);
        writeFileSync(join(folder, 'image.bin'), image);
        await using emulator = await runFirmware(firmware, { cwd: folder, timeout: 60_000 });
        expect([await emulator.ended, emulator.lines]).toEqual([0, []]);
        const answer = readFileSync(join(folder, 'answer.bin'));
        expect([answer.readUInt32LE(0), answer.readUInt32LE(4)]).toEqual([1, 3]);
        expect(answer.readFloatLE(8)).toBeCloseTo(Math.tanh(-0.25), 6);
        expect(answer.readFloatLE(12)).toBeCloseTo(Math.log(0.5), 6);
        expect(answer.readFloatLE(16)).toBeCloseTo(0.5 ** 1.5, 6);
        expect(answer.readBigInt64LE(8 + 96 * 4)).toBe(1_000_000_000_000n);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('equal sources give equal bytes; what cannot be an image is refused', async () => {
    const options = { board: 'm7', slot: 'a', ...common } as const;
    const [one, two] = await Promise.all([0, 1].map(() => buildModelImage(imageSources(), options)));
    expect(Buffer.from(one!).equals(Buffer.from(two!))).toBe(true);
    const variables = 'static int calls_so_far = 3; int calls(void); int calls(void) { return ++calls_so_far; }';
    const used = imageSources(variables);
    used.texts['image.c'] = used.texts['image.c'].replace('m->count += 1;', 'm->count += calls();');
    await expect(buildModelImage(used, options)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('calls_so_far') as string,
    });
    await expect(buildModelImage({ texts: { 'x.c': 'int x(void) { return 1; }' } }, options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('sanderling_image_entry') as string,
    });
  });

  test('an image fills all of a slot but the place of its tag', async () => {
    const imageWith = (bytes: number): Promise<Uint8Array> => {
      const large = imageSources(`extern const unsigned char big[]; const unsigned char big[${bytes}] = {1};`);
      large.texts['image.c'] = large.texts['image.c'].replace('m->count += 1;', 'm->count += big[m->count];');
      return buildModelImage(large, { board: 'm7', slot: 'a', ...common });
    };
    const most = 500_000 + flashLayout.imageBytes - (await imageWith(500_000)).length;
    expect(await imageWith(most)).toHaveLength(flashLayout.imageBytes);
    await expect(imageWith(most + 8)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      details: { mostBytes: flashLayout.imageBytes },
    });
  });
});

describe.skipIf(!tools)('ELF files', () => {
  test('that are cut or damaged are refused by code, or read', async () => {
    await using firmware = await buildFirmware('m7', { texts: { 'main.c': 'int main(void) { return 0; }' } });
    const file = readFileSync(firmware.path);
    expect(readElf(file).symbols.map(({ name }) => name)).toContain('reset_handler');
    const noise = createRandom(9, 'elf');
    for (let round = 0; round < 1500; round += 1) {
      const bytes = Buffer.from(round % 3 === 0 ? file.subarray(0, noise.int(0, file.length - 1)) : file);
      for (let changes = noise.int(0, 12); changes > 0 && bytes.length > 0; changes -= 1) {
        const tail = noise.next() < 0.5 ? 0 : Math.max(0, bytes.length - 700);
        bytes[noise.int(tail, Math.max(tail, Math.min(bytes.length - 1, tail + 700)))] = noise.int(0, 255);
      }
      try {
        readElf(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CORRUPT' });
        expect(error).toBeInstanceOf(SanderlingError);
      }
    }
  });
});

test.skipIf(!tools)('expf and tanhf are within two units in the last place', async () => {
  const b = new GraphBuilder('functions');
  const x = b.input('x', 'float32', [4000]);
  b.output('exp', b.op('Exp', [x]));
  b.output('tanh', b.op('Tanh', [x]));
  const generated: Generated = await generateC(b.model(), { name: 'net' });
  const spread = createRandom(2, 'functions');
  const calls = [110, 10, 1, 1e-3].map((scale) => ({
    x: Float32Array.from({ length: 4000 }, () => spread.uniform(-scale, scale)),
  }));
  const odd = [NaN, Infinity, -Infinity, 0, 88.72283, 88.73, -87.4, -103.9, -104, 9, 20, -20];
  calls[0]!.x.set(odd);
  await using host = await compileForHost(generated, { flags: hostFlags });
  for (const [i, out] of (await host.run(calls)).entries())
    for (const [name, exact] of [
      ['exp', Math.exp],
      ['tanh', Math.tanh],
    ] as const)
      for (const [j, got] of (out[name] as Float32Array).entries()) {
        const wanted = exact(calls[i]!.x[j]!);
        const unit = 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(wanted))) - 23);
        const rounded = Math.fround(wanted);
        if (!Number.isFinite(rounded) || rounded === 0) expect(got).toBe(rounded);
        else expect(Math.abs(got - wanted) / unit, `${name}(${calls[i]!.x[j]})`).toBeLessThan(2);
      }
  const { outputs } = await measure(generated, { board: 'm4', inputs: calls.slice(0, 2) });
  expect(outputs).toEqual(await host.run(calls.slice(0, 2)));
});
