import { createRandom } from '@sanderling/kit';
import { expect, test } from 'vitest';
import { execute } from '../detectors/run-streams.ts';
import { generateC } from '../generate.ts';
import { hasCompiler } from '../host.ts';
import { generateForecasterC, type ForecasterRequest } from './generate-forecaster.ts';
import { generatedRelease, linearModel, settings, steadyReadings } from './made-forecasters.ts';
import { hostForecasters, includeFolder } from './run-forecasters.ts';

const compiler = await hasCompiler();
const cpp = await hasCompiler('g++');
if (!compiler || !cpp) console.log('skipped: compiling forecasters, there is no gcc or g++ here');

const { release, generated } = await generatedRelease(0);
const { preprocessing, monitor, selfTest } = release;
const float = linearModel(preprocessing, 0);
const good: ForecasterRequest = { preprocessing, monitor, selfTest, model: await generateC(float, { name: 'model' }) };
const other = await generateC(linearModel(settings[4]!.preprocessing, 0), { name: 'model' });
const cases = selfTest.cases;

test.each<[string, unknown, string]>([
  ['a name that is no identifier', { name: 'a-b' }, 'INVALID_ARGUMENT'],
  ['the name of the model', { name: 'model' }, 'INVALID_ARGUMENT'],
  ['a model of another window', { model: other }, 'INVALID_ARGUMENT'],
  ['a preprocessing that is none', { preprocessing: { ...preprocessing, std: 0 } }, 'INVALID_ARGUMENT'],
  ['half a millisecond', { preprocessing: { ...preprocessing, stepMs: 1000.5 } }, 'INVALID_ARGUMENT'],
  ['too many steps', { preprocessing: { ...preprocessing, horizon: 97 } }, 'INVALID_ARGUMENT'],
  ['a monitor that is none', { monitor: { ...monitor, confirm: 0 } }, 'INVALID_CONFIG'],
  ['no self-test', { selfTest: { ...selfTest, cases: [] } }, 'INVALID_ARGUMENT'],
  ['a short case', { selfTest: { ...selfTest, cases: [{ ...cases[0]!, input: [1] }] } }, 'INVALID_ARGUMENT'],
  [
    'a case of infinities',
    { selfTest: { ...selfTest, cases: [{ ...cases[0]!, expected: [0, Infinity] }] } },
    'INVALID_ARGUMENT',
  ],
  ['no tolerance', { selfTest: { ...selfTest, tolerance: Number.NaN } }, 'INVALID_ARGUMENT'],
  ['too many readings a cell', { readingsPerCell: 129 }, 'INVALID_ARGUMENT'],
])('%s is refused', (_, change, code) => {
  const request = { ...good, ...(change as Partial<ForecasterRequest>) };
  expect(() => generateForecasterC(request)).toThrow(expect.objectContaining({ code }));
});

test('equal releases give equal bytes', () => {
  expect(generateForecasterC(good).files).toEqual(generateForecasterC(good).files);
});

test.runIf(cpp)('the header is C++ too', async () => {
  const { files, face } = generated;
  const headers = ['model0', `${face.prefix}_detector`, face.prefix].map((name) => files[`${name}.h`]!);
  const text = headers.join('\n').replaceAll(/#include "(?!sanderling).*"/g, '');
  const flags = [
    '-std=c++11',
    '-Wall',
    '-Wextra',
    '-Wpedantic',
    '-Werror',
    '-I',
    includeFolder,
    '-fsyntax-only',
    '-x',
    'c++',
    '-',
  ];
  await expect(execute('g++', flags, { cwd: '.', input: new TextEncoder().encode(text) })).resolves.toHaveLength(0);
});

test.runIf(compiler)('the self-test says which case has failed, and a start makes all as new', async () => {
  const wrong = [...cases, { ...cases[0]!, expected: cases[0]!.expected.map((value) => value + 0.01) }];
  const failing = generateForecasterC({ ...good, name: 'failing', selfTest: { cases: wrong, tolerance: 1e-4 } });
  const tolerant = generateForecasterC({ ...good, name: 'tolerant', selfTest: { cases: wrong, tolerance: 0.02 } });
  await using host = await hostForecasters([failing, tolerant]);
  const readings = steadyReadings(preprocessing, 40, createRandom('new'));
  const [first, second] = [await host.run(0, readings), await host.run(1, readings)];
  expect([first.tested, second.tested]).toEqual([3, 0]);
  expect(first.answers).toEqual(second.answers);
  expect(first.answers.at(-1)!.forecast).toHaveLength(2);
});
