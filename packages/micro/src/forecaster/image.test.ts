import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, sha256 } from '@sanderling/kit';
import type { Reading } from '@sanderling/series';
import { describe, expect, test } from 'vitest';
import {
  boardNames,
  buildFirmware,
  buildModelImage,
  hasBoardTools,
  runFirmware,
  type BoardName,
} from '../boards/index.ts';
import { strictFlags } from '../host.ts';
import { expectSame } from './same-answers.suite.ts';
import type { GeneratedForecaster } from './generate-forecaster.ts';
import { generatedRelease, troubledReadings } from './made-forecasters.ts';
import { referenceOutcomes } from './reference-forecaster.ts';
import { answersOf, readingsAsBytes, type Answer } from './run-forecasters.ts';

const tools = await hasBoardTools();
if (!tools) console.log('skipped: forecasters in model images, for want of qemu-system-arm, gcc-arm-none-eabi');

/** Firmware that puts an image where it belongs and gives it readings: all that it knows of the release is the entry table. */
const firmwareText = `#include <string.h>
#include "board.h"
#include "flash.h"
#include "sanderling_entry.h"
#include "sanderling_image.h"
#include "semihosting.h"
typedef struct { int64_t time; float value; uint32_t nothing; } given_reading;
typedef struct { sanderling_answer answer; uint32_t status; uint32_t nothing; } given_answer;
static double memory[32768];
int main(void)
{
    sanderling_image_header header;
    const int32_t image = host_open("image.bin", false);
    const int32_t in = host_open("readings.bin", false);
    const int32_t out = host_open("answers.bin", true);
    if ((image < 0) || (in < 0) || (out < 0) || !host_read(image, &header, sizeof header)) { return 1; }
    uint8_t *const slot = (uint8_t *)(uintptr_t)header.slot_address;
    memcpy(slot, &header, sizeof header);
    if (!host_read(image, slot + sizeof header, header.image_bytes - sizeof header)) { return 2; }
    const sanderling_entry *const entry = (const sanderling_entry *)(const void *)(slot + header.entry_offset);
    if ((entry->abi != SANDERLING_ENTRY_ABI) || (entry->memory_bytes > sizeof memory)) { return 3; }
    if (entry->self_test(memory) != 0) { return 4; }
    entry->start(memory);
    for (uint32_t i = 0U; i < READINGS; i++) {
        given_reading reading;
        static given_answer given;
        if (!host_read(in, &reading, sizeof reading)) { return 5; }
        entry->reading(memory, reading.time, reading.value, &given.answer);
        if (!host_write(out, &given, sizeof given)) { return 6; }
    }
    return 0;
}
`;

async function answersOnBoard(
  board: BoardName,
  { files }: GeneratedForecaster,
  readings: readonly Reading[],
): Promise<readonly Answer[]> {
  const options = { board, slot: 'b', sequence: 1, release: sha256('release'), flags: [...strictFlags] } as const;
  const image = await buildModelImage({ texts: files }, options);
  const defines = { READINGS: readings.length };
  await using firmware = await buildFirmware(board, { texts: { 'main.c': firmwareText } }, { defines });
  const folder = await mkdtemp(join(tmpdir(), 'forecaster-'));
  try {
    await writeFile(join(folder, 'image.bin'), image);
    await writeFile(join(folder, 'readings.bin'), readingsAsBytes(readings));
    await using emulator = await runFirmware(firmware, { cwd: folder, timeout: 60_000 });
    expect([await emulator.ended, emulator.lines]).toEqual([0, []]);
    return answersOf(Uint8Array.from(await readFile(join(folder, 'answers.bin'))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe.runIf(tools)('a forecaster as a model image', () => {
  test.each(boardNames)('takes on %s the decisions of the parts of the predictor', async (board) => {
    for (const at of [2, 6]) {
      const { release, generated } = await generatedRelease(at);
      const readings = troubledReadings(release.preprocessing, 1500, createRandom(at, 'image'), false);
      const want = await referenceOutcomes(release, readings);
      const answers = await answersOnBoard(board, generated, readings);
      // The status is not part of the entry table.
      expectSame(
        answers.map((answer, i) => ({ ...answer, status: want[i]!.status })),
        want,
      );
      expect(want.some(({ alarm }) => alarm === 'raised')).toBe(true);
    }
  });
});
