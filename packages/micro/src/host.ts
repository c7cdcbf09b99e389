// Generated code on this machine: compiled by the host's compiler into a process that reads inputs and writes outputs. For tests and benchmarks.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, SanderlingError } from '@sanderling/kit';
import { dataTypes, type TensorArray } from '@sanderling/onnx';
import { elementTypes } from './ir.ts';
import type { CInterface, Port } from './emit/interface.ts';
import type { Generated } from './generate.ts';
import type { Elements } from './options.ts';

/** Options of {@link compileForHost}. */
export interface HostOptions {
  /** The C compiler. @default 'gcc' */
  readonly compiler?: string;
  /** Build with AddressSanitizer and UndefinedBehaviorSanitizer; a finding ends the run with an error. @default false */
  readonly sanitize?: boolean;
  /** Optimisation. @default '-O1' */
  readonly optimise?: string;
  /** More flags. @default none */
  readonly flags?: readonly string[];
  /** What starts a program of another machine, as `['qemu-arm-static']`. @default none */
  readonly runner?: readonly string[];
  /** Longest compilation or run in milliseconds. @default 120000 */
  readonly timeout?: number;
}

/** The warnings that generated code must be free of. */
export const strictFlags = ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Werror'] as const;

/** Whether a compiler can be started here. */
export async function hasCompiler(compiler = 'gcc'): Promise<boolean> {
  return execute(compiler, ['--version'], { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

/** Compiled models. */
export class HostProgram implements AsyncDisposable {
  readonly #folder: string;
  readonly #models: readonly Generated[];
  readonly #timeout: number;
  readonly #runner: readonly string[];

  constructor(
    folder: string,
    models: readonly Generated[],
    { timeout, runner }: Required<Pick<HostOptions, 'timeout' | 'runner'>>,
  ) {
    this.#folder = folder;
    this.#models = models;
    this.#timeout = timeout;
    this.#runner = runner;
  }

  /**
   * Runs calls one after another in a fresh process: state is reset at the beginning and lives from call to call. `blob`: weights other than the model's own,
   * which must be for its code.
   * @throws INVALID_ARGUMENT for inputs that do not fit; INTERNAL when the program crashes or a sanitizer finds something (its words in `details`).
   */
  async run(calls: readonly Elements[], model = 0, blob?: Uint8Array): Promise<readonly Elements[]> {
    const { face } = this.#models[model]!;
    const fed = Buffer.concat(
      calls.flatMap((call) => [Buffer.from('R'), ...face.inputs.map((port) => bytesFor(port, call))]),
    );
    const out = await this.#start(model, fed, blob);
    const perCall = face.outputs.reduce((sum, port) => sum + sizeOf(port), 0);
    if (out.length !== perCall * calls.length)
      throw new SanderlingError(
        'INTERNAL',
        `the program wrote ${out.length} bytes instead of ${perCall * calls.length}`,
      );
    return calls.map((_, i) => outputsFrom(out.subarray(i * perCall, (i + 1) * perCall), face));
  }

  /** Runs the built-in self-test: 0 if all is well, else the number of the first vector that fails. */
  async selfTest(model = 0, blob?: Uint8Array): Promise<number> {
    return (await this.#start(model, Buffer.from('S'), blob)).readInt32LE(0);
  }

  /** What NAME_weights_check says of a blob: 0 if it is for this model's code. */
  async checkWeights(blob: Uint8Array, model = 0): Promise<number> {
    return (await this.#start(model, Buffer.from('W'), blob)).readInt32LE(0);
  }

  async #start(model: number, input: Buffer, blob = this.#models[model]!.blob): Promise<Buffer> {
    const program = join(this.#folder, 'program');
    const [runner, ...options] = this.#runner;
    const command = runner ?? program;
    const args = [...(runner === undefined ? [] : [...options, program]), String(model)];
    if (blob === undefined) return execute(command, args, { timeout: this.#timeout, input });
    const file = join(this.#folder, `${newId('blob')}.bin`);
    await writeFile(file, blob);
    try {
      return await execute(command, [...args, file], { timeout: this.#timeout, input });
    } finally {
      await rm(file, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Compiles one or more generated models (with different names) for this machine, all warnings being errors.
 * @throws UNAVAILABLE without a compiler; INTERNAL with the compiler's words in `details`.
 */
export async function compileForHost(
  generated: Generated | readonly Generated[],
  options: HostOptions = {},
): Promise<HostProgram> {
  const models = Array.isArray(generated) ? (generated as readonly Generated[]) : [generated as Generated];
  const { compiler = 'gcc', optimise = '-O1', flags = [], sanitize = false, timeout = 120_000, runner = [] } = options;
  const folder = await mkdtemp(join(tmpdir(), 'micro-'));
  try {
    for (const { files } of models)
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await writeFile(join(folder, 'main.c'), harness(models.map(({ face }) => face)));
    const checks = sanitize ? ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : [];
    const args = [...strictFlags, optimise, ...checks, ...flags, 'main.c', '-o', 'program', '-lm'];
    await execute(compiler, args, { timeout, cwd: folder });
    return new HostProgram(folder, models, { timeout, runner });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The models in one unit: R runs one call, S the self-test; the models are included so that their own text is checked like a hand-written one. */
function harness(faces: readonly CInterface[]): string {
  const units = faces.map(({ prefix }) => `#include "${prefix}.c"`);
  const cases = faces.map((_, i) => `    if (argv[1][0] != '\\0' && atoi(argv[1]) == ${i}) { return serve_${i}(); }`);
  return [
    '#include <stdio.h>',
    '#include <stdlib.h>',
    ...units,
    ...weightsRoom(faces),
    ...faces.flatMap(server),
    'int main(int argc, char **argv)',
    '{',
    '    if (argc != 2 && argc != 3) { return 2; }',
    '    if (argc == 3) {',
    '        FILE *const file = fopen(argv[2], "rb");',
    '        if (file == NULL) { return 2; }',
    '        if (weights != NULL) { weights_bytes = (uint32_t)fread(weights, 1, room, file); }',
    '        if (fclose(file) != 0) { return 2; }',
    '    }',
    ...cases,
    '    return 2;',
    '}',
    '',
  ].join('\n');
}

/** Memory for the blob of any of the models, and a little more to see what is too long. */
function weightsRoom(faces: readonly CInterface[]): readonly string[] {
  const sizes = faces.filter((face) => face.weights).map(({ prefix }) => `${prefix.toUpperCase()}_WEIGHTS_BYTES`);
  if (sizes.length === 0)
    return ['enum { room = 0 };', 'static uint8_t *const weights = NULL;', 'static uint32_t weights_bytes;'];
  return [
    'static union {',
    ...sizes.map((size, i) => `    uint8_t bytes_${i}[${size} + 64];`),
    '    uint64_t align;',
    '} weights_room;',
    'enum { room = sizeof weights_room };',
    'static uint8_t *const weights = weights_room.bytes_0;',
    'static uint32_t weights_bytes;',
  ];
}

function server(face: CInterface, index: number): readonly string[] {
  const { prefix, inputs, outputs, states, arenaBytes, selfTest } = face;
  const local = (port: Port): string => `${port.c}_${index}`;
  const places = [
    ...(states.length > 0 ? [`&state_${index}`] : []),
    ...(arenaBytes > 0 ? [`&arena_${index}`] : []),
    ...(face.weights ? ['weights'] : []),
  ];
  const ports = [...inputs, ...outputs];
  const call = [...places, ...ports.map(local)].join(', ');
  const room = outputs.length > 0 ? [`&room_${index}`] : [];
  return [
    ...ports.map((port) => `static ${elementTypes[port.dtype].c} ${local(port)}[${port.count}];`),
    ...(states.length > 0 ? [`static ${prefix}_state state_${index};`] : []),
    ...(arenaBytes > 0 ? [`static ${prefix}_arena arena_${index};`] : []),
    ...(selfTest && outputs.length > 0 ? [`static ${prefix}_self_test_room room_${index};`] : []),
    `static int serve_${index}(void)`,
    '{',
    ...(states.length > 0 ? [`    ${prefix}_reset(&state_${index}${face.resetWeights ? ', weights' : ''});`] : []),
    '    for (int command = getchar(); command != EOF; command = getchar()) {',
    ...(face.weights
      ? [
          `        if (command == 'W') {`,
          `            const int32_t answer = ${prefix}_weights_check(weights, weights_bytes);`,
          '            if (fwrite(&answer, sizeof answer, 1, stdout) != 1) { return 3; }',
          '            continue;',
          '        }',
          `        if (${prefix}_weights_check(weights, weights_bytes) != 0) { return 4; }`,
        ]
      : []),
    ...(selfTest
      ? [
          `        if (command == 'S') {`,
          `            const int32_t failed = ${prefix}_self_test(${[...places, ...room].join(', ')});`,
          '            if (fwrite(&failed, sizeof failed, 1, stdout) != 1) { return 3; }',
          '            continue;',
          '        }',
        ]
      : []),
    ...inputs.map((port) => `        if (fread(${local(port)}, sizeof ${local(port)}, 1, stdin) != 1) { return 3; }`),
    `        ${prefix}_run(${call});`,
    ...outputs.map(
      (port) => `        if (fwrite(${local(port)}, sizeof ${local(port)}, 1, stdout) != 1) { return 3; }`,
    ),
    '    }',
    '    return 0;',
    '}',
  ];
}

const sizeOf = ({ dtype, count }: Port): number => count * elementTypes[dtype].bytes;

function bytesFor(port: Port, call: Elements): Buffer {
  const data = Object.hasOwn(call, port.name) ? call[port.name] : undefined;
  if (data?.byteLength !== sizeOf(port))
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the input "${port.name}" takes ${port.count} elements of ${port.dtype}`,
      {
        where: port.name,
      },
    );
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function outputsFrom(bytes: Buffer, { outputs }: CInterface): Elements {
  let at = 0;
  const named = outputs.map((port): readonly [string, TensorArray] => {
    const copy = Uint8Array.from(bytes.subarray(at, at + sizeOf(port)));
    at += sizeOf(port);
    return [port.name, new (dataTypes[port.dtype].array as Float32ArrayConstructor)(copy.buffer)];
  });
  return Object.fromEntries(named);
}

interface Execution {
  readonly timeout: number;
  readonly cwd?: string;
  readonly input?: Buffer;
}

function execute(command: string, args: readonly string[], { timeout, cwd, input }: Execution): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { timeout, killSignal: 'SIGKILL', ...(cwd ? { cwd } : {}) });
    const [out, words]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => words.push(chunk));
    child.on('error', (cause) => {
      const fix = 'install a C compiler, for example with: apt install gcc';
      reject(new SanderlingError('UNAVAILABLE', `${command} cannot be started`, { cause, fix }));
    });
    child.stdin.on('error', () => undefined);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out));
      const told = Buffer.concat(words).toString('utf8').slice(0, 4000);
      reject(
        new SanderlingError('INTERNAL', `${command} ended with ${code ?? signal}: ${told}`, { details: { told } }),
      );
    });
    child.stdin.end(input);
  });
}
