// Models for microcontrollers from the command line: C files, measured boards, answers held against ONNX Runtime, what is said when something is wrong.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, SanderlingError } from '@sanderling/kit';
import { hasBoardTools } from '@sanderling/micro';
import { GraphBuilder, tensorOf, writeModel } from '@sanderling/onnx';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomSamples, readCalibration, readSamples, valuesOf } from './micro-samples.ts';

const bin = join(import.meta.dirname, '..', '..', 'bin', 'sanderling.js');
const fixtures = join(import.meta.dirname, 'fixtures');
const compiler = 'arm-none-eabi-gcc';
const tools = await hasBoardTools();
if (!tools)
  console.warn('skipped: micro bench and run, for want of qemu-system-arm, gcc-arm-none-eabi, libnewlib-arm-none-eabi');

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sanderling-micro-'));
  const random = createRandom(4, 'micro');
  const b = new GraphBuilder('small');
  const weight = (...dims: number[]) =>
    b.constant(
      tensorOf(
        'float32',
        dims,
        Array.from({ length: dims.reduce((x, y) => x * y) }, () => random.uniform(-0.5, 0.5)),
      ),
    );
  const x = b.input('window', 'float32', ['batch', 24, 2]);
  const flat = b.op('Reshape', [x, b.int64([1, 48])], {}, { name: 'flat' });
  const hidden = b.op(
    'Relu',
    [b.op('Gemm', [flat, weight(48, 16), weight(16)], {}, { name: 'dense' })],
    {},
    { name: 'relu' },
  );
  b.output('forecast', b.op('Gemm', [hidden, weight(16, 3), weight(3)], {}, { name: 'head' }));
  await writeModel(at('small-net.onnx'), b.model());
  const large = new GraphBuilder('large');
  const picture = large.input('picture', 'float32', [1, 1, 400, 400]);
  const grown = large.op('Relu', [large.op('Tanh', [picture])], {}, { name: 'grown' });
  large.output('y', large.op('ReduceMean', [grown, large.int64([1, 2, 3])]));
  await writeModel(at('large.onnx'), large.model());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The command line of a process, empty if it is gone. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function micro(args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> {
  const env = { ...process.env, NO_COLOR: '1', ...more };
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, 'micro', ...args], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ status: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

test('compile writes C that compiles, and prints what each layer costs', async () => {
  const { status, stdout, stderr } = await micro(['compile', 'small-net.onnx', '--out', 'c']);
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/\| dense +\| Gemm +\| 1×16 +\| +768 \|.* 3136 \|/);
  expect(stdout).toContain(`Written: ${join('c', 'small_net.h')}, ${join('c', 'small_net.c')}`);
  if (tools) execFileSync(compiler, ['-mcpu=cortex-m7', '-Wall', '-Werror', '-c', 'small_net.c'], { cwd: at('c') });
  const named = await micro(['compile', 'small-net.onnx', '--out', 'd', '--name', 'net', '--json']);
  const printed = JSON.parse(named.stdout) as { files: string[]; report: { macs: number } };
  expect(printed).toMatchObject({ files: [join('d', 'net.h'), join('d', 'net.c')], report: { macs: 816 } });
  expect(existsSync(at('d/net.c'))).toBe(true);
  // A file that is called as a header of the C library gets another name.
  copyFileSync(at('small-net.onnx'), at('time.onnx'));
  expect((await micro(['compile', 'time.onnx', '--out', 't'])).stdout).toContain(join('t', 'model_time.h'));
  const blob = await micro(['compile', 'small-net.onnx', '--out', 'e', '--name', 'net', '--weights', 'blob']);
  expect(blob.stdout).toContain(join('e', 'net.weights'));
  expect(readFileSync(at('e/net.weights')).length).toBeGreaterThan(3264);
});

test('compile puts a drift detector beside the model, and a file for each layer, where asked', async () => {
  const args = ['compile', 'small-net.onnx', '--out', 's', '--split', '--detector', 'page-hinkley'];
  const { status, stdout } = await micro(args);
  expect(status).toBe(0);
  expect(stdout).toMatch(/Drift detector page-hinkley: \d+ B of state/);
  const sources = readdirSync(at('s')).filter((name) => name.endsWith('.c'));
  expect(sources).toEqual(expect.arrayContaining(['small_net.c', 'small_net_drift.c', 'small_net_layer_1_gemm.c']));
  if (tools) execFileSync(compiler, ['-mcpu=cortex-m7', '-Wall', '-Werror', '-c', ...sources], { cwd: at('s') });
});

test('--int8 takes samples as NPY, JSON and CSV, and says what became of each layer', async () => {
  mkdirSync(at('samples'));
  writeFileSync(at('samples/1.npy'), readFileSync(join(fixtures, 'window.npy')));
  const samples = randomSamples([{ name: 'window', dtype: 'float32', dims: [1, 24, 2], count: 48 }], 3, 5);
  const rows = samples.map(({ window }) => Array.from(window as Float32Array));
  writeFileSync(
    at('samples/2.csv'),
    `${rows[0]!.map((_, i) => `x${i}`).join()}\n${rows[0]!.join()}\n${rows[1]!.join()}\n`,
  );
  writeFileSync(at('samples/3.json'), JSON.stringify([{ window: rows[2] }]));
  const args = ['compile', 'small-net.onnx', '--int8', '--calibration', 'samples', '--out', 'q', '--json'];
  const { status, stdout } = await micro(args);
  expect(status).toBe(0);
  type Quantised = {
    report: { constantBytes: number };
    quantisation: { layers: { name: string; float: boolean }[]; relativeError: number };
  };
  const { report, quantisation } = JSON.parse(stdout) as Quantised;
  expect(quantisation.layers.filter(({ float }) => !float).map(({ name }) => name)).toEqual(
    expect.arrayContaining(['dense', 'head']),
  );
  expect(quantisation.relativeError).toBeLessThan(0.05);
  expect(report.constantBytes).toBeLessThan(3264 / 2);
  // A budget that nothing keeps leaves all in float.
  const strict = await micro([...args, '--budget', '0']);
  expect(JSON.parse(strict.stdout)).toMatchObject({ quantisation: { relativeError: 0 } });
});

describe.skipIf(!tools)('on a board', () => {
  test('bench counts instructions and checks the memory of the part', async () => {
    const { status, stdout, stderr } = await micro(['bench', 'small-net.onnx', '--self-test', '3']);
    expect(stdout).toMatch(/self-test +passes/);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/dense +Gemm +1×16 +768 +\d+ +\d\.\d+/);
    expect(stdout).toMatch(/AXI +\d+ +524288 +\d+\.\d %/);
    const again = await micro(['bench', 'small-net.onnx', '--self-test', '3', '--seed', '9', '--json']);
    const data = JSON.parse(again.stdout) as { instructions: number[]; perMac: number; flash: { constants: number } };
    expect(data.perMac).toBeGreaterThan(1);
    expect(data.flash.constants).toBeGreaterThan(3000);
    expect(stdout).toContain(`${data.instructions[0]}`);
  });

  test('run answers as ONNX Runtime does, on both boards', async () => {
    writeFileSync(at('input.json'), JSON.stringify({ window: Array.from({ length: 24 }, (_, i) => [Math.sin(i), 1]) }));
    const outputs: unknown[] = [];
    for (const board of ['m7', 'm4']) {
      const { stdout } = await micro(['run', 'small-net.onnx', '--board', board, '--input', 'input.json', '--json']);
      const data = JSON.parse(stdout) as { differences: Record<string, number>; outputs: unknown };
      expect(data.differences['ONNX Runtime']).toBeLessThan(1e-5);
      outputs.push(data.outputs);
    }
    expect(outputs[1]).toEqual(outputs[0]);
    const int8 = await micro([
      'run',
      'small-net.onnx',
      '--int8',
      '--calibration',
      join(fixtures, 'window.npy'),
      '--calls',
      '3',
    ]);
    expect(int8.stdout).toMatch(/^1 forecast .*\n2 forecast .*\n3 forecast /);
    expect(int8.stdout).toMatch(/difference from ONNX Runtime, int8 +\S/);
  });

  test('Ctrl-C ends the board with the command', async () => {
    const args = ['run', 'small-net.onnx', '--calls', '50000'];
    const child = spawn(process.execPath, [bin, 'micro', ...args], { cwd: folder, stdio: 'ignore' });
    const ended = once(child, 'exit');
    const boardOf = (): number | undefined => {
      const pids = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
      const isBoard = (pid: string): boolean => pid !== '' && commandOf(pid).includes('qemu-system-arm\0-machine');
      return pids.filter(isBoard).map(Number)[0];
    };
    let pid: number | undefined;
    while (pid === undefined && child.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      pid = boardOf();
    }
    child.kill('SIGINT');
    await ended;
    expect(child.exitCode).toBe(130);
    expect(commandOf(String(pid))).toBe('');
  });

  test('a model that does not fit says which memory, by how much, and what to do', async () => {
    const { status, stderr } = await micro(['bench', 'large.onnx']);
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^TOO_LARGE the model does not fit the STM32H745 .*AXI \(512 KiB, .*\) is \d+ bytes too small; D2 /,
    );
    expect(stderr).toMatch(/try: +AXI: quantise to int8/);
  });
});

test('says what is wrong and what to do', async () => {
  const said = async (...args: string[]): Promise<string> => {
    const { status, stderr } = await micro(args);
    return `${status} ${stderr}`;
  };
  expect(await said('compile', 'small-net.onnx', '--int8')).toMatch(
    /^2 INVALID_ARGUMENT[^]*--calibration[^]*"window" float32 \[1, 24, 2\] \(48 numbers\)/,
  );
  expect(await said('compile', 'none.onnx')).toMatch(/^5 NOT_FOUND/);
  writeFileSync(at('noise.onnx'), 'this is no model');
  expect(await said('compile', 'noise.onnx')).toMatch(/^[39] (CORRUPT|INVALID_MODEL)/);
  expect(await said('compile', 'small-net.onnx', '--size', 'batch')).toMatch(
    /^2 INVALID_ARGUMENT "batch" is not name=number/,
  );
  expect(await said('compile', 'small-net.onnx', '--size', 'time=24')).toMatch(
    /^2 INVALID_ARGUMENT .*no open dimension "time"/,
  );
  expect(await said('compile', 'small-net.onnx', '--name', 'math')).toMatch(
    /^2 INVALID_ARGUMENT .*math\.h[^]*model_math/,
  );
  expect(await said('compile', 'small-net.onnx', '--out', 'small-net.onnx')).toMatch(
    /^2 INVALID_ARGUMENT small-net.onnx is no folder/,
  );
  expect(await said('run', 'small-net.onnx', '--calls', 'many')).toMatch(/^2 [^]*--calls[^]*whole number/);
  writeFileSync(at('short.json'), '{"window": [1, 2, 3]}');
  expect(await said('run', 'small-net.onnx', '--input', 'short.json')).toMatch(
    /^3 INVALID_DATA short.json: .*3 numbers instead of 48/,
  );
  expect(await said('bench', 'small-net.onnx', '--board', 'm0')).toMatch(/^2 [^]*m7, m4/);
  // Without the programs: which packages to install.
  const without = await micro(['bench', 'small-net.onnx'], { PATH: folder });
  expect(without.status).toBe(11);
  expect(without.stderr).toMatch(/UNAVAILABLE[^]*qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi/);
});

describe('samples', () => {
  const ports = [{ name: 'window', dtype: 'float32', dims: [1, 24, 2], count: 48 }];

  test('what NumPy wrote is read', async () => {
    const samples = await readSamples(join(fixtures, 'window.npy'), ports);
    expect(samples.length).toBe(6);
    const wanted = (i: number): number => Math.fround(Math.sin(i / 5));
    expect(samples[5]!['window']![47]).toBeCloseTo(wanted(287), 6);
    const [wide] = await readSamples(join(fixtures, 'kinds.npy'), ports);
    expect(Array.from(wide!['window'] as Float32Array, (v) => v.toFixed(5))).toEqual(
      Array.from(samples[0]!['window'] as Float32Array, (v) => v.toFixed(5)),
    );
  });

  test('arrays of other kinds and other orders of bytes are read; one of another order of axes is refused', async () => {
    const path = at('array.npy');
    const read = async (descr: string, dims: string, data: Buffer): Promise<readonly number[]> => {
      const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }\n`;
      const length = Buffer.from([header.length, 0]);
      writeFileSync(
        path,
        Buffer.concat([Buffer.from('\u0093NUMPY\u0001\u0000', 'latin1'), length, Buffer.from(header), data]),
      );
      return (await readSamples(path, ports)).flatMap(({ window }) => Array.from(window as Float32Array));
    };
    const halves = Buffer.alloc(96);
    for (const [i, bits] of [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff].entries()) halves.writeUInt16LE(bits, 2 * i);
    const [one, two, third, least, most] = await read('<f2', '24, 2', halves);
    expect([one, two, third, least, most]).toEqual([1, -2, Math.fround(0.333251953125), 2 ** -24, 65504]);
    const big = Buffer.alloc(192);
    big.writeFloatBE(-1.5, 188);
    expect((await read('>f4', '1, 24, 2', big))[47]).toBe(-1.5);
    for (const dims of ['48', '1, 48', '24, 2', '24, 1, 2', '1, 24, 2'])
      expect(await read('<f4', dims, big)).toHaveLength(48);
    expect(await read('<f4', '3, 24, 2', Buffer.alloc(576))).toHaveLength(144);
    for (const dims of ['2, 24', '1, 2, 24', '4, 12'])
      await expect(read('<f4', dims, big)).rejects.toMatchObject({ code: 'INVALID_DATA', where: path });
  });

  test('ranges are measured on finite numbers that are not all zero; folders in the folder are left alone', async () => {
    mkdirSync(at('ranges/inner.npy'), { recursive: true });
    const calibration = (...values: number[]) => {
      const rows = values.map((value) => Array.from({ length: 48 }, () => value).join());
      writeFileSync(at('ranges/a.csv'), rows.join('\n'));
      return readCalibration(at('ranges'), ports);
    };
    expect(await calibration(0, 1)).toHaveLength(2);
    await expect(calibration(0, 0)).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(calibration(1, Infinity)).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('sample 2') as string,
    });
  });

  test('several inputs are told apart by the names of files', async () => {
    const two = [
      { name: 'a', dtype: 'int64', dims: [2], count: 2 },
      { name: 'b', dtype: 'uint8', dims: [1], count: 1 },
    ];
    mkdirSync(at('two'));
    writeFileSync(at('two/a.csv'), '1,2\n3,4\n');
    writeFileSync(at('two/b.0.bin'), Buffer.from([7, 9]));
    expect(await readSamples(at('two'), two)).toEqual([
      { a: BigInt64Array.of(1n, 2n), b: Uint8Array.of(7) },
      { a: BigInt64Array.of(3n, 4n), b: Uint8Array.of(9) },
    ]);
    writeFileSync(at('two/b.1.bin'), Buffer.from([7]));
    await expect(readSamples(at('two'), two)).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('a 2, b 3') as string,
    });
    mkdirSync(at('empty'));
    await expect(readSamples(at('empty'), two)).rejects.toMatchObject({ code: 'TOO_LITTLE_DATA' });
  });

  test('damaged files are refused by code, or read', () => {
    const random = createRandom(6, 'samples');
    const whole = [
      ['w.npy', readFileSync(join(fixtures, 'window.npy'))],
      ['w.npy', readFileSync(join(fixtures, 'kinds.npy'))],
      ['w.json', Buffer.from(JSON.stringify({ window: Array.from({ length: 24 }, () => [1, -2.5]) }))],
      ['w.csv', Buffer.from(`${Array.from({ length: 48 }, (_, i) => i).join()}\n`)],
      ['w.bin', Buffer.alloc(192, 1)],
    ] as const;
    let [read, refused] = [0, 0];
    for (let round = 0; round < 3000; round += 1) {
      const [name, bytes] = random.pick(whole);
      const damaged = Buffer.from(bytes.subarray(0, random.next() < 0.3 ? random.int(0, bytes.length) : bytes.length));
      for (let changes = random.int(0, 4); changes > 0 && damaged.length > 0; changes -= 1)
        damaged[random.int(0, Math.min(140, damaged.length - 1))] =
          random.next() < 0.5 ? random.int(0, 255) : random.int(32, 126);
      try {
        for (const [port, values] of valuesOf(name, damaged, ports))
          expect([port, values.length]).toEqual(['window', 48]);
        read += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(SanderlingError);
        expect(error).toMatchObject({ code: 'INVALID_DATA' });
        refused += 1;
      }
    }
    expect(read).toBeGreaterThan(300);
    expect(refused).toBeGreaterThan(300);
  });
});
