import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationMs, parseProject, quantiseSettings } from './index.ts';

const smallest = { name: 'temperature', model: { kind: 'forecaster' }, targets: ['linux-x64'] };

test('the smallest project is complete after its defaults', () => {
  const spec = parseProject(smallest);
  expect(spec.search).toMatchObject({ algorithm: 'genetic', trials: 24, population: 8, parallel: 'auto' });
  expect(spec.drift.alertAt).toBe(0.7);
  expect(spec.rollout.waves).toEqual([100]);
  expect(parseProject(structuredClone(spec))).toEqual(spec);
});

test.each([
  [{ ...smallest, colour: 'red' }, 'colour: no such field'],
  [{ ...smallest, model: { kind: 'forecaster', horizn: 3 } }, 'model.horizn: no such field'],
  [
    {
      ...smallest,
      gates: [
        { gate: 'size', maxKb: 10 },
        { gate: 'latency', maxMs: '2' },
      ],
    },
    'gates[1].maxMs',
  ],
  [
    { ...smallest, data: { split: { train: 0.9, validation: 0.2, test: 0.1 } } },
    'data.split: train, validation and test must add up to 1',
  ],
  [{ ...smallest, rollout: { waves: [50, 20, 100] } }, 'rollout.waves: waves must ascend to 100'],
  [
    { ...smallest, automations: [{ when: 'drift.alarm', collect: '3 days', run: ['retrain'] }] },
    'automations[0].collect',
  ],
  [{ ...smallest, search: { space: { hidden: { type: 'int', low: 1 } } } }, 'search.space.hidden'],
  [{ ...smallest, search: { space: { cell: 'gro' } } }, 'search.space.cell'],
  [{ ...smallest, search: { space: { cell: { type: 'choice', options: ['gru', 4] } } } }, 'search.space.cell'],
  [{ ...smallest, targets: ['toaster'] }, 'targets[0]'],
  [{ ...smallest, optimise: ['quantise-int4'] }, 'optimise[0]'],
  [{ ...smallest, gates: [{ gate: 'ram', maxKb: 64, target: 'linux-x64' }] }, 'gates[0].target'],
  [{ ...smallest, name: 'Has Spaces' }, 'name: expected lower-case'],
  [undefined, 'the whole'],
])('%j is refused with the path of the wrong field', (input, path) => {
  expect(() => parseProject(input)).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(path) }),
  );
});

test('what is said of a microcontroller: a word stands for a step with its defaults', () => {
  const spec = parseProject({
    ...smallest,
    optimise: ['fold-constants', 'quantise-int8', { step: 'quantise-int8', calibration: 'entropy', budget: 0.1 }],
    gates: [
      { gate: 'ram', maxKb: 64 },
      { gate: 'flash', maxKb: 256 },
      { gate: 'latency', maxMs: 2, target: 'stm32h745' },
    ],
    targets: ['stm32h745'],
  });
  expect(spec.gates).toMatchObject([{ target: 'stm32h745' }, { target: 'stm32h745' }, { cyclesPerInstruction: 1 }]);
  const defaults = { step: 'quantise-int8', calibration: 'minmax', budget: 0.05, headroom: 3, windows: 128 };
  expect(quantiseSettings('quantise-int8')).toEqual(defaults);
  expect(spec.optimise[2]).toEqual({ ...defaults, calibration: 'entropy', budget: 0.1 });
  expect(parseProject(structuredClone(spec))).toEqual(spec);
});

test('anything at all is accepted or refused with a code, never thrown raw', () => {
  fc.assert(
    fc.property(fc.object(), (value) => {
      expect(() => parseProject(value)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    }),
  );
});

test('durations', () => {
  expect(durationMs('90s')).toBe(90_000);
  expect(durationMs('1.5h')).toBe(5_400_000);
  expect(durationMs('2w')).toBe(1_209_600_000);
});
