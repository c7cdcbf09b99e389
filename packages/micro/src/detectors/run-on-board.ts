// For tests and benchmarks: generated detectors on streams on an emulated board.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import { buildFirmware, runFirmware, type BoardName } from '../boards/index.ts';
import { strictFlags } from '../host.ts';
import type { GeneratedDetector } from './requests.ts';
import { sayingBytes, sayingsOf, streamText, type Sayings } from './run-streams.ts';

/** One stream for one of the detectors. */
export interface BoardStream {
  readonly detector: number;
  readonly samples: Float64Array;
}

const main = `#include "board.h"
#include "semihosting.h"
#include "streams.c"
static double samples[MOST_NUMBERS];
static saying sayings[MOST_SAYINGS];
int main(void)
{
    const int32_t in = host_open("streams.bin", false);
    const int32_t out = host_open("sayings.bin", true);
    uint32_t head[4];
    bool ok = (in >= 0) && (out >= 0);
    for (uint32_t stream = 0U; ok && (stream < STREAMS); stream++) {
        ok = host_read(in, head, sizeof head) && host_read(in, samples, (size_t)head[2] * 8U);
        if (!ok) { break; }
        run_stream(head[0], samples, head[1], sayings);
        ok = host_write(out, sayings, head[1] * sizeof *sayings);
    }
    return ok ? 0 : 1;
}
`;

/** What the detectors say on a board, stream by stream. @throws INTERNAL when the program fails; as buildFirmware. */
export async function boardStreams(
  board: BoardName,
  detectors: readonly GeneratedDetector[],
  streams: readonly BoardStream[],
): Promise<readonly Sayings[]> {
  const counts = streams.map(({ detector, samples }) => samples.length / detectors[detector]!.face.dimensions);
  const texts = Object.assign(
    { 'main.c': main, 'streams.c': streamText(detectors) },
    ...detectors.map(({ files }) => files),
  );
  const { 'streams.c': included, ...compiled } = texts as Record<string, string>;
  const defines = {
    STREAMS: streams.length,
    MOST_NUMBERS: Math.max(...streams.map(({ samples }) => samples.length)),
    MOST_SAYINGS: Math.max(...counts),
  };
  const sources = { ...compiled, 'main.c': main.replace('#include "streams.c"', included!) };
  await using firmware = await buildFirmware(board, { texts: sources }, { flags: strictFlags, defines });
  const folder = await mkdtemp(join(tmpdir(), 'streams-'));
  try {
    const fed = streams.flatMap(({ detector, samples }, i) => [
      Buffer.from(Uint32Array.of(detector, counts[i]!, samples.length, 0).buffer),
      Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength),
    ]);
    await writeFile(join(folder, 'streams.bin'), Buffer.concat(fed));
    await using emulator = await runFirmware(firmware, { cwd: folder, timeout: 300_000 });
    const status = await emulator.ended;
    if (status !== 0)
      throw new SanderlingError('INTERNAL', `the program ended with ${status}: ${emulator.lines.join(' ')}`);
    const written = await readFile(join(folder, 'sayings.bin'));
    let at = 0;
    return counts.map((count) => {
      const bytes = Uint8Array.from(written.subarray(at, at + count * sayingBytes));
      at += count * sayingBytes;
      return sayingsOf(bytes);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
