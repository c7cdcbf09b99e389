// The curves of generated C (e^x, tanh, the logistic function and their kin, in single precision) at all 2^32 arguments against the C library in double precision:
// largest error, falls, NaN; whether compilers agree bit by bit; and instructions for each value on emulated boards. Some ten minutes of one core.
// Run: node bench/src/micro/curves.ts [STEP=1]   (with a step only every STEPth argument, and nothing is written)
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createRandom } from '@sanderling/kit';
import { boardNames, generateC, measure } from '@sanderling/micro';
import { curveOperators, curvesModel, sweepProgram, sweepsFrom, type Sweep } from '@sanderling/micro/testing';
import { GraphBuilder } from '@sanderling/onnx';

const run = promisify(execFile);
const step = Number(process.argv[2] ?? 1);
const curves = Object.entries(curveOperators);
const folder = await mkdtemp(join(tmpdir(), 'curves-'));

/** Builds the sweep, and runs it for all curves at once, each in a process of its own. */
async function sweep(compiler: string, flags: readonly string[], every: number, compare: boolean): Promise<Sweep[]> {
  const program = join(folder, `${compiler}${flags.join('')}`.replaceAll(/\W/g, ''));
  await run(compiler, ['-std=c99', ...flags, 'sweep.c', '-o', program, '-lm'], { cwd: folder });
  return Promise.all(
    curves.map(async (_, i) => {
      const { stdout } = await run(program, [String(every), compare ? '1' : '0', String(i)]);
      console.log(compiler, ...flags, stdout.trim());
      return sweepsFrom(stdout)[0]!;
    }),
  );
}

/** Instructions for each value of one operator over 4096 normal numbers (positive ones for the logarithm), in the order of the boards. */
async function instructionsOf(operator: string): Promise<readonly string[]> {
  const b = new GraphBuilder('curve');
  const count = 4096;
  b.output('y', b.op(operator, [b.input('x', 'float32', [count])]));
  const generated = await generateC(b.model(), { name: 'net' });
  const random = createRandom(1, 'curves');
  const x = Float32Array.from({ length: count }, () => {
    const value = random.normal();
    return operator === 'Log' ? Math.abs(value) : value;
  });
  const cells: string[] = [];
  for (const board of boardNames) {
    const { instructions } = await measure(generated, { board, inputs: [{ x }] });
    cells.push((instructions[0]! / count).toFixed(1));
  }
  return cells;
}

/** What each curve is, for the table. */
const meaning: Readonly<Record<string, string>> = {
  expf: 'e^x',
  expm1f: 'e^x − 1',
  sigmoidf: '1 / (1 + e^−x)',
  tanhf: 'tanh x',
  logf: 'ln x',
  softplusf: 'ln(1 + e^x)',
  erff: 'erf x',
};

try {
  const { files } = await generateC(curvesModel(8), { name: 'net' });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, 'sweep.c'), sweepProgram('net'));
  const exact = await sweep('gcc', ['-O2', '-ffp-contract=off'], step, true);
  const fused = await sweep('gcc', ['-O2', '-mfma', '-ffp-contract=fast'], step * 16 + 1, true);
  // The hash depends on which patterns are visited: gcc's is taken again.
  const part = step * 60 + 1;
  const hashes = await Promise.all(
    ['gcc', 'clang'].map((name) => sweep(name, ['-O2', '-ffp-contract=off'], part, false)),
  );
  const rows: string[] = [];
  for (const [i, [name, operator]] of curves.entries()) {
    const { error, worst, falls, deepestFall, wrongNaN } = exact[i]!;
    const same = hashes[0]![i]!.hash === hashes[1]![i]!.hash ? 'yes' : '**no**';
    const fallen = falls === 0 ? 'none' : `${falls}, by ${deepestFall.toFixed(0)} unit`;
    const costs = await instructionsOf(operator);
    rows.push(
      `| ${name} | ${meaning[name]} | ${error.toFixed(3)} at ${worst} | ${fallen} | ${wrongNaN} | ${same} | ${fused[i]!.error.toFixed(2)} | ${operator}: ${costs.join(', ')} |`,
    );
  }
  const total = exact[0]!.arguments;
  const text = [
    '# Curves of generated C in single precision',
    '',
    `All ${total.toLocaleString('en-US')} bit patterns of a float, each held against the C library in double precision (glibc; below 2^−30 the first terms of the power series, from 128 on the limit, as far as a double can tell); an error is in units of the last place of the exact value, subnormal ones too. A fall is a result below that of a smaller argument. The same bits: gcc \`-O2\` and clang \`-O2\` (\`-ffp-contract=off\`) at every ${part}st pattern, compared by a hash of all results; gcc and clang from \`-O0\` to \`-O3\`, Cortex-M7, Cortex-M4 and ARMv7-A at a sample in \`packages/micro/src/emit/curves/curves.test.ts\`.`,
    '',
    `Fused: the largest error where the compiler may contract products and sums (every ${step * 16 + 1}th pattern; the bits then differ from machine to machine). Instructions: of the operator in a loop with its loads and stores, for each of 4,096 normal numbers, Cortex-M7 and Cortex-M4; one division counts as one, and takes 14 cycles.`,
    '',
    '| function | | largest error | falls | NaN where there should be none, or none where there should be | same bits | fused | instructions: M7, M4 |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    'At −0, tanh and erf give −0, e^x − 1 gives +0. Infinities give the limits; ln 0 is −∞, ln of a negative number NaN. Results that are subnormal numbers are as exact as others. ln(1 + e^x) is x + ln(1 + e^−x) for positive x, a sum of a rising and a falling number, so it may fall by its rounding. So may erf between 0.9 and 2, which is 1 − e^−p(x) there, by that of p.',
    '',
    'The straight path is single precision without a table: x = n ln 2 + r with ln 2 in two parts, a polynomial of degree 6 in r, and n added to the exponent. Coefficients: `packages/micro/src/emit/curves/fit.ts`.',
    '',
  ].join('\n');
  if (step === 1) await writeFile(new URL('../../results/micro-curves.md', import.meta.url), text);
  else console.log(text);
} finally {
  await rm(folder, { recursive: true, force: true });
}
