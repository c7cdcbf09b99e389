import { createDetector, type DetectorName } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';
import { expect, test } from 'vitest';
import { hasCompiler } from '../host.ts';
import { generateDetectorC } from './generate-detector.ts';
import { generated, generatedForVectors } from './made-streams.ts';
import type { ScalarRequest, VectorRequest } from './requests.ts';
import { execute, hostStreams } from './run-streams.ts';

const compiler = await hasCompiler();
const cpp = await hasCompiler('g++');
if (!compiler || !cpp) console.log('skipped: compiling detectors, there is no gcc or g++ here');

const reference = Array.from({ length: 300 }, (_, i) => [Math.sin(i), Math.cos(i * i)]);

test.each<[string, unknown, string]>([
  ['a name that is no identifier', { detector: 'ddm', name: '2; int x' }, 'INVALID_ARGUMENT'],
  ['an unknown detector', { detector: 'constructor' }, 'INVALID_CONFIG'],
  ['an unknown option', { detector: 'ddm', options: { warmup: 3 } }, 'INVALID_CONFIG'],
  ['an option out of bounds', { detector: 'kswin', options: { statSize: 90 } }, 'INVALID_CONFIG'],
  ['half a row', { detector: 'adwin', rows: 4.5 }, 'INVALID_ARGUMENT'],
  ['too many rows', { detector: 'adwin', rows: 41 }, 'INVALID_ARGUMENT'],
  ['a vector detector without C', { detector: 'ocdd', reference }, 'UNSUPPORTED'],
  ['a reference made on the device', { detector: 'lsdd', reference, options: { refit: 1 } }, 'UNSUPPORTED'],
  ['clusters made on the device', { detector: 'spll', reference, options: { symmetric: 1 } }, 'UNSUPPORTED'],
  ['a short reference', { detector: 'mmd', reference: reference.slice(0, 50) }, 'TOO_LITTLE_DATA'],
  ['a reference with a gap', { detector: 'mmd', reference: [...reference, [1, Number.NaN]] }, 'INVALID_DATA'],
])('%s is refused', (_, request, code) => {
  expect(() => generateDetectorC(request as ScalarRequest | VectorRequest)).toThrow(expect.objectContaining({ code }));
});

test('equal requests give equal bytes', () => {
  for (const detector of ['adwin', 'kswin'] as const satisfies readonly DetectorName[])
    expect(generateDetectorC({ detector }).files).toEqual(generateDetectorC({ detector }).files);
  const request = { detector: 'lsdd', reference } as const;
  expect(generateDetectorC(request)).toEqual(generateDetectorC(request));
});

test.runIf(cpp)('every header is C++ too, and all of them fit into one program', async () => {
  const all = [...generated, ...generatedForVectors];
  const text = all.map(({ files, face }) => files[`${face.prefix}.h`]!).join('\n');
  const flags = ['-std=c++11', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fsyntax-only', '-x', 'c++', '-'];
  const input = new TextEncoder().encode(text);
  await expect(execute('g++', flags, { cwd: '.', input })).resolves.toHaveLength(0);
});

test.runIf(compiler)(
  'ADWIN in fewer rows decides the same until its window is full, and then still finds changes',
  async () => {
    const [rows, maxBuckets, change] = [4, 5, 3000];
    const small = generateDetectorC({ detector: 'adwin', name: 'small', rows });
    expect(small.report.stateBytes).toBeLessThan(generateDetectorC({ detector: 'adwin' }).report.stateBytes / 7);
    const random = createRandom('rows');
    const samples = Float64Array.from({ length: 4000 }, (_, i) => (i < change ? 0 : 3) + random.normal());
    await using host = await hostStreams([small]);
    const { flags, evidence } = await host.run(0, samples);
    const whole = createDetector('adwin');
    for (let i = 0; i < maxBuckets * 2 ** (rows - 1); i++) {
      whole.update(samples[i]!);
      expect(evidence[i]).toBeCloseTo(whole.evidence, 12);
    }
    expect(flags.slice(0, change).filter((flag) => flag === 1).length).toBeLessThan(3);
    expect(flags.slice(change).includes(1)).toBe(true);
  },
);
