// Generated detectors on streams, for tests: one program per machine that reads streams from its standard input and tells every flag and evidence.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import { strictFlags } from '../host.ts';
import type { GeneratedDetector } from './requests.ts';

/** What a detector said at each sample. */
export interface Sayings {
  readonly flags: Uint32Array;
  readonly evidence: Float64Array;
}

/** Takes samples one after another; a vector's features are consecutive. */
export type StreamRunner = (detector: number, samples: Float64Array) => Promise<Sayings>;

/** Bytes that a program writes for one sample: flags as uint32, 4 bytes of nothing, evidence as double. */
export const sayingBytes = 16;

/** Splits what a program has written. */
export function sayingsOf(bytes: Uint8Array): Sayings {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const n = bytes.byteLength / sayingBytes;
  return {
    flags: Uint32Array.from({ length: n }, (_, i) => view.getUint32(i * sayingBytes, true)),
    evidence: Float64Array.from({ length: n }, (_, i) => view.getFloat64(i * sayingBytes + 8, true)),
  };
}

/** C text: a state for each detector and `run_stream(detector, samples, count, sayings)`. */
export function streamText(detectors: readonly GeneratedDetector[]): string {
  const cases = detectors.flatMap(({ face: { prefix, input, dimensions } }, i) => [
    `    case ${i}: {`,
    `        static ${prefix}_state state;`,
    `        ${prefix}_reset(&state);`,
    '        for (size_t k = 0; k < count; k++) {',
    `            sayings[k].flags = ${prefix}_update(&state, ${input === 'vector' ? `&samples[k * ${dimensions}U]` : 'samples[k]'});`,
    `            sayings[k].evidence = ${prefix}_evidence(&state);`,
    '        }',
    '        break;',
    '    }',
  ]);
  return [
    '#include <stddef.h>',
    '#include <stdint.h>',
    ...detectors.map(({ face: { prefix } }) => `#include "${prefix}.h"`),
    'typedef struct { uint32_t flags; uint32_t nothing; double evidence; } saying;',
    'void run_stream(uint32_t detector, const double *samples, size_t count, saying *sayings);',
    'void run_stream(uint32_t detector, const double *samples, size_t count, saying *sayings)',
    '{',
    '    switch (detector) {',
    ...cases,
    '    default:',
    '        break;',
    '    }',
    '}',
    '',
  ].join('\n');
}

const hostMain = `#include <stdio.h>
#include <stdlib.h>
#include "streams.c"
int main(int argc, char **argv)
{
    const size_t count = (size_t)strtoul(argv[2], NULL, 10);
    const size_t width = (size_t)strtoul(argv[3], NULL, 10);
    double *samples = malloc(count * width * sizeof *samples);
    saying *sayings = calloc(count, sizeof *sayings);
    if ((argc != 4) || (samples == NULL) || (sayings == NULL)) { return 2; }
    if (fread(samples, width * sizeof *samples, count, stdin) != count) { return 3; }
    run_stream((uint32_t)strtoul(argv[1], NULL, 10), samples, count, sayings);
    if (fwrite(sayings, sizeof *sayings, count, stdout) != count) { return 4; }
    free(samples);
    free(sayings);
    return 0;
}
`;

/** Compiles detectors for this machine under the sanitizers, every warning an error. */
export async function hostStreams(
  detectors: readonly GeneratedDetector[],
  flags: readonly string[] = ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
): Promise<AsyncDisposable & { readonly run: StreamRunner }> {
  const folder = await mkdtemp(join(tmpdir(), 'detectors-'));
  for (const { files } of detectors)
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, 'streams.c'), streamText(detectors));
  await writeFile(join(folder, 'main.c'), hostMain);
  const sources = detectors.map(({ face }) => `${face.prefix}.c`);
  await execute('gcc', [...strictFlags, ...flags, 'main.c', ...sources, '-o', 'program', '-lm'], { cwd: folder });
  return {
    async run(detector, samples) {
      const width = detectors[detector]!.face.dimensions;
      const args = [String(detector), String(samples.length / width), String(width)];
      const input = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
      return sayingsOf(await execute(join(folder, 'program'), args, { cwd: folder, input }));
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Runs a program to its end. @throws INTERNAL with its words. */
export function execute(
  command: string,
  args: readonly string[],
  { cwd, input }: { readonly cwd: string; readonly input?: Uint8Array },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, timeout: 120_000, killSignal: 'SIGKILL' });
    const [out, words]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => words.push(chunk));
    child.on('error', reject);
    child.stdin.on('error', () => undefined);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out));
      reject(
        new SanderlingError(
          'INTERNAL',
          `${command} ended with ${code ?? signal}: ${Buffer.concat(words).toString().slice(0, 4000)}`,
        ),
      );
    });
    child.stdin.end(input);
  });
}
