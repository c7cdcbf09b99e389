// For tests: generated forecasters in a program of this machine that reads readings and writes answers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Reading } from '@sanderling/series';
import { execute } from '../detectors/run-streams.ts';
import { strictFlags } from '../host.ts';
import type { GeneratedForecaster } from './generate-forecaster.ts';

/** Where sanderling_entry.h is. */
export const includeFolder = fileURLToPath(new URL('../../firmware/include', import.meta.url));

/** A `sanderling_answer`, and the status behind it. */
export interface Answer {
  readonly flags: number;
  readonly forecast: readonly number[];
  readonly forecastTime: number;
  readonly residual: number;
  readonly driftScore: number;
  readonly rollingError: number;
  readonly status: string;
}

/** Bits of `flags`. */
export const answerFlags = { forecast: 1, residual: 2, drift: 4, raised: 8, ended: 16, notFinite: 32 } as const;

const statuses = ['ready', 'filling', 'gap', 'late', 'duplicate', 'stale', 'invalid', 'restarted'];

/** Bytes of a written answer with its status, and of a reading that is read. */
export const [answerBytes, readingBytes] = [424, 16];

/** Readings as the programs read them: time as int64, value as float, 4 bytes of nothing. */
export function readingsAsBytes(readings: readonly Reading[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(readings.length * readingBytes));
  for (const [i, { time, value }] of readings.entries()) {
    view.setBigInt64(i * readingBytes, BigInt(time), true);
    view.setFloat32(i * readingBytes + 8, value, true);
  }
  return new Uint8Array(view.buffer);
}

/** Reads what the programs write. */
export function answersOf(bytes: Uint8Array): readonly Answer[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / answerBytes }, (_, i) => {
    const at = i * answerBytes;
    const horizon = view.getUint32(at + 4, true);
    return {
      flags: view.getUint32(at, true),
      forecast: Array.from({ length: horizon }, (_, k) => view.getFloat32(at + 8 + 4 * k, true)),
      forecastTime: Number(view.getBigInt64(at + 392, true)),
      residual: view.getFloat32(at + 400, true),
      driftScore: view.getFloat32(at + 404, true),
      rollingError: view.getFloat32(at + 408, true),
      status: statuses[view.getUint32(at + 416, true)]!,
    };
  });
}

/** C text: `run_readings(forecaster, readings, count, answers)`, -1 unless the self-test passes; the table is what is called, as by a firmware. */
export function readingsText(forecasters: readonly GeneratedForecaster[]): string {
  const tables = forecasters.flatMap(({ face: { prefix, entry } }, i) => [
    `    case ${i}: {`,
    `        static ${prefix}_memory memory;`,
    `        table = &${entry};`,
    '        place = &memory;',
    `        status = ${prefix}_status;`,
    '        break;',
    '    }',
  ]);
  return [
    '#include <stddef.h>',
    '#include <stdint.h>',
    ...forecasters.map(({ face: { prefix } }) => `#include "${prefix}.h"`),
    'typedef struct { int64_t time; float value; uint32_t nothing; } given_reading;',
    'typedef struct { sanderling_answer answer; uint32_t status; uint32_t nothing; } given_answer;',
    'int32_t run_readings(uint32_t forecaster, const given_reading *readings, size_t count, given_answer *answers);',
    'int32_t run_readings(uint32_t forecaster, const given_reading *readings, size_t count, given_answer *answers)',
    '{',
    '    const sanderling_entry *table = NULL;',
    '    void *place = NULL;',
    '    uint32_t (*status)(const void *) = NULL;',
    '    int32_t tested;',
    '    switch (forecaster) {',
    ...tables,
    '    default:',
    '        return -2;',
    '    }',
    '    tested = table->self_test(place);',
    '    table->start(place);',
    '    for (size_t i = 0; i < count; i++) {',
    '        table->reading(place, readings[i].time, readings[i].value, &answers[i].answer);',
    '        answers[i].status = status(place);',
    '    }',
    '    return tested;',
    '}',
    '',
  ].join('\n');
}

const main = `#include <stdio.h>
#include <stdlib.h>
#include "readings.c"
int main(int argc, char **argv)
{
    const size_t count = (argc == 3) ? (size_t)strtoul(argv[2], NULL, 10) : 0U;
    given_reading *readings = malloc((count + 1U) * sizeof *readings);
    given_answer *answers = calloc(count + 1U, sizeof *answers);
    int32_t tested;
    if ((argc != 3) || (readings == NULL) || (answers == NULL)) { return 2; }
    if (fread(readings, sizeof *readings, count, stdin) != count) { return 3; }
    tested = run_readings((uint32_t)strtoul(argv[1], NULL, 10), readings, count, answers);
    if (fwrite(&tested, sizeof tested, 1, stdout) != 1) { return 4; }
    if (fwrite(answers, sizeof *answers, count, stdout) != count) { return 4; }
    free(readings);
    free(answers);
    return 0;
}
`;

/** What a program said: the answers, and what the self-test gave. */
export interface Run {
  readonly tested: number;
  readonly answers: readonly Answer[];
}

/** Compiles forecasters for this machine under the sanitizers, every warning an error. */
export async function hostForecasters(
  forecasters: readonly GeneratedForecaster[],
): Promise<AsyncDisposable & { readonly run: (forecaster: number, readings: readonly Reading[]) => Promise<Run> }> {
  const folder = await mkdtemp(join(tmpdir(), 'forecasters-'));
  const texts = new Map(forecasters.flatMap(({ files }) => Object.entries(files)));
  for (const [name, text] of texts) await writeFile(join(folder, name), text);
  await writeFile(join(folder, 'readings.c'), readingsText(forecasters));
  await writeFile(join(folder, 'main.c'), main);
  const sources = [...new Set(forecasters.flatMap(({ face }) => face.sources))];
  const flags = ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-I', includeFolder];
  await execute('gcc', [...strictFlags, ...flags, 'main.c', ...sources, '-o', 'program', '-lm'], { cwd: folder });
  return {
    async run(forecaster, readings) {
      const args = [String(forecaster), String(readings.length)];
      const out = await execute(join(folder, 'program'), args, { cwd: folder, input: readingsAsBytes(readings) });
      return { tested: out.readInt32LE(0), answers: answersOf(Uint8Array.from(out.subarray(4))) };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
