// The curves of generated code at millions of arguments against the C library in double precision; the same bits from every compiler and on every core.
// All 2^32 arguments: bench/src/micro/curves.ts.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { boardNames, measure } from '../../boards/index.ts';
import { compilerCommand, execute } from '../../boards/toolchain.ts';
import { compileForHost, generateC, hasCompiler, strictFlags } from '../../index.ts';
import { curveErrors } from './curves.ts';
import { curveOperators, curvesModel, sweepProgram, sweepsFrom, type CurveFunction, type Sweep } from './sweep.ts';
import { coefficientsText } from './write-coefficients.ts';

const crossCompiler = 'arm-linux-gnueabihf-gcc';
const user = 'qemu-arm-static';
const [gcc, clang, boards, cross] = await Promise.all([
  hasCompiler('gcc'),
  hasCompiler('clang'),
  hasCompiler(compilerCommand),
  Promise.all([crossCompiler, user].map(hasCompiler)).then((found) => found.every(Boolean)),
]);
for (const [found, what] of [
  [gcc, 'curves against the C library, for want of gcc'],
  [clang, 'curves by clang'],
  [boards, `curves on boards, for want of ${compilerCommand}`],
  [cross, `curves on ARMv7-A, for want of ${crossCompiler} or ${user}`],
] as const)
  if (!found) console.log(`skipped: ${what}`);

const folder = await mkdtemp(join(tmpdir(), 'curves-'));
const sharp = [...strictFlags, '-Wdouble-promotion', '-ffp-contract=off'];

async function sweep(compiler: string, flags: readonly string[], args: readonly string[]): Promise<readonly Sweep[]> {
  const name = `${compiler}${flags.join('')}`.replaceAll(/\W/g, '');
  const built = await execute(compiler, [...flags, 'sweep.c', '-o', name, '-lm'], { cwd: folder });
  expect(built.words).toBe('');
  return sweepsFrom((await execute(join(folder, name), args, { cwd: folder })).out);
}

test('the coefficients are those that fit.ts finds', async () => {
  const text = await readFile(new URL('./coefficients.ts', import.meta.url), 'utf8');
  expect(text, 'run: node packages/micro/src/emit/curves/write-coefficients.ts').toBe(coefficientsText());
});

describe.skipIf(!gcc)('every curve', () => {
  beforeAll(async () => {
    const { files } = await generateC(curvesModel(8), { name: 'net' });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await writeFile(join(folder, 'sweep.c'), sweepProgram('net'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('is within its bound of the exact value, and does not fall', async () => {
    const found = await sweep('gcc', [...sharp, '-O2'], ['1021', '1']);
    expect(found.map(({ curve }) => curve)).toEqual(Object.keys(curveOperators));
    for (const { curve, arguments: count, error, falls, deepestFall, wrongNaN } of found) {
      expect(count).toBeGreaterThan(4_000_000);
      expect(error, `of ${curve}`).toBeGreaterThan(0.5);
      expect(error, `of ${curve}`).toBeLessThan(curveErrors[curve]);
      expect(wrongNaN, `of ${curve}`).toBe(0);
      // x + ln(1 + e^-x) is a sum of a rising and a falling number; the exponent of 1 - e^-p is rounded, which 208 of all arguments show.
      const rough = curve === 'softplusf' || curve === 'erff';
      expect(rough ? deepestFall <= 1 : falls === 0, `of ${curve}`).toBe(true);
    }
  });

  test('has the same bits from every compiler', async () => {
    const compilers = [
      ...['-O0', '-O1', '-O2', '-O3', '-Os'].map((level) => ['gcc', level] as const),
      ...(clang ? ['-O0', '-O2', '-O3'].map((level) => ['clang', level] as const) : []),
    ];
    const hashes = new Set<string>();
    for (const [compiler, level] of compilers) {
      const found = await sweep(compiler, [...sharp, level], ['4093', '0']);
      hashes.add(found.map(({ hash }) => hash).join());
    }
    expect(hashes.size).toBe(1);
  });

  test('keeps what is special', async () => {
    const x = Float32Array.of(0, -0, 1e-40, -1e-40, Infinity, -Infinity, NaN, 88.8);
    await using host = await compileForHost(await generateC(curvesModel(8), { name: 'net' }));
    const [out] = await host.run([{ x }]);
    const of = (name: CurveFunction): readonly number[] => [...(out![name] as Float32Array)];
    const [small, pi] = [Math.fround(1e-40), Math.fround(Math.LN2)];
    expect(of('expf')).toEqual([1, 1, 1, 1, Infinity, 0, NaN, Infinity]);
    expect(of('sigmoidf')).toEqual([0.5, 0.5, 0.5, 0.5, 1, 0, NaN, 1]);
    expect(of('tanhf')).toEqual([0, -0, small, -small, 1, -1, NaN, 1]);
    expect(of('erff').slice(4)).toEqual([1, -1, NaN, 1]);
    expect(of('erff').slice(0, 2)).toEqual([0, -0]);
    expect(of('logf').slice(0, 2)).toEqual([-Infinity, -Infinity]);
    expect(of('logf').slice(3, 7)).toEqual([NaN, Infinity, NaN, NaN]);
    expect(of('softplusf')).toEqual([pi, pi, pi, pi, Infinity, 0, NaN, Math.fround(88.8)]);
    expect(of('expm1f').slice(0, 7)).toEqual([0, -0, small, -small, Infinity, -1, NaN]); // Elu
  });

  const random = createRandom(1, 'curves');
  const wide = Array.from({ length: 4 }, () =>
    Float32Array.from({ length: 4096 }, () => (random.next() < 0.5 ? -1 : 1) * 2 ** random.uniform(-30, 8)),
  );

  test.skipIf(!boards)('gives on boards the bits of the host', async () => {
    const generated = await generateC(curvesModel(4096), { name: 'net' });
    const inputs = wide.map((x) => ({ x }));
    await using host = await compileForHost(generated, { flags: ['-ffp-contract=off'] });
    const wanted = await host.run(inputs);
    for (const board of boardNames)
      expect(
        (await measure(generated, { board, inputs, flags: [...strictFlags, '-Wdouble-promotion'] })).outputs,
      ).toEqual(wanted);
  });

  test.skipIf(!cross)('gives on ARMv7-A the bits of the host', async () => {
    const generated = await generateC(curvesModel(4096), { name: 'net' });
    const inputs = wide.map((x) => ({ x }));
    const flags = ['-ffp-contract=off'];
    await using host = await compileForHost(generated, { flags });
    await using arm = await compileForHost(generated, {
      compiler: crossCompiler,
      flags: [...flags, '-static'],
      runner: [user],
    });
    expect(await arm.run(inputs)).toEqual(await host.run(inputs));
  });
});
