// Layers of every form that the writers tell apart: under the sanitizers against ONNX Runtime, and on boards bit by bit against the host.
import { describe, expect, test } from 'vitest';
import { boardNames, measure } from '../boards/index.ts';
import { compilerCommand } from '../boards/toolchain.ts';
import { compileForHost, generateC, hasCompiler, strictFlags } from '../index.ts';
import { randomInputs, referenceOutputs, worstDifference } from '../testing.ts';
import {
  modelOf,
  randomConvolution,
  randomProduct,
  randomRecurrent,
  randomTransposed,
  runnable,
} from './random-layers.ts';

const [compiler, boards] = await Promise.all(['gcc', compilerCommand].map((command) => hasCompiler(command)));
if (!compiler) console.log('skipped: random layers of generated C, for want of gcc');
if (!boards) console.log(`skipped: random layers of generated C on boards, for want of ${compilerCommand}`);

describe.skipIf(!compiler)('random layers', () => {
  test.each([
    ['convolutions', randomConvolution, 40],
    ['transposed convolutions', randomTransposed, 16],
    ['products', randomProduct, 25],
    ['recurrent layers', randomRecurrent, 24],
  ] as const)('%s give the answer of ONNX Runtime', async (_, grow, count) => {
    const seeds = await runnable(grow, count);
    const models = seeds.map((seed) => modelOf(grow, [seed]));
    const generated = await Promise.all(models.map((model, i) => generateC(model, { name: `c${i}` })));
    await using host = await compileForHost(generated, { sanitize: true, optimise: '-O0' });
    for (const [i, model] of models.entries()) {
      const calls = [randomInputs(model, seeds[i]!)];
      const [[got], [wanted]] = [await host.run(calls, i), await referenceOutputs(model, calls)];
      expect(worstDifference(got!, wanted!), `seed ${seeds[i]}`).toBeLessThan(1e-5);
    }
  });

  test.skipIf(!boards).each([
    ['convolutions', randomConvolution, 12],
    ['products', randomProduct, 40],
    ['recurrent layers', randomRecurrent, 16],
  ] as const)('%s give the bits of the host on boards', async (_, grow, count) => {
    const model = modelOf(grow, await runnable(grow, count));
    const generated = await generateC(model, { name: 'net' });
    const inputs = [randomInputs(model, 1)];
    await using host = await compileForHost(generated, { flags: ['-ffp-contract=off'] });
    const wanted = await host.run(inputs);
    for (const board of boardNames) {
      const found = await measure(generated, { board, inputs, flags: strictFlags });
      expect(found.outputs).toEqual(wanted);
    }
  });
});
