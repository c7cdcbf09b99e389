import { SanderlingError } from '@sanderling/kit';
import { anything, assert, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromUnit, interval, toUnit } from './coordinate.ts';
import { checkParams, choice, float, int, space, spaceFromJson, spaceToJson, when } from './index.ts';
import { samplesOf, sizeOf } from './space.ts';

const network = space({
  layers: int(1, 3),
  cell: choice(['gru', 'dense']),
  hidden: when('cell', ['gru'], int(8, 30, { step: 8 })),
  learningRate: float(1e-4, 1e-2, { log: true }),
});

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `uncoded: ${String(error)}`;
  }
  return 'no error';
}

describe('space', () => {
  test('goes through JSON and back unchanged, however the keys are sorted', () => {
    expect(spaceFromJson(JSON.parse(JSON.stringify(network)))).toEqual(network);
    expect(spaceFromJson(spaceToJson(network))).toEqual(network);
  });

  test('a whole number ends on its grid', () => {
    expect(int(8, 30, { step: 8 })).toMatchObject({ low: 8, high: 24, step: 8 });
  });

  test('counts and lists what it holds', () => {
    expect(sizeOf(network)).toBe(Infinity);
    const finite = space({ cell: choice(['gru', 'dense']), hidden: when('cell', ['gru'], int(8, 24, { step: 8 })) });
    expect(sizeOf(finite)).toBe(4);
    expect([...samplesOf(finite)]).toEqual([
      { cell: 'gru', hidden: 8 },
      { cell: 'gru', hidden: 16 },
      { cell: 'gru', hidden: 24 },
      { cell: 'dense' },
    ]);
    expect(sizeOf(space(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`p${i}`, choice([0, 1])]))))).toBe(
      Infinity,
    );
  });

  test('a condition may hang on a conditional parameter', () => {
    const nested = space({
      a: choice([1, 2]),
      b: when('a', [1], choice(['x', 'y'])),
      c: when('b', ['x'], int(0, 1)),
    });
    expect([...samplesOf(nested)]).toEqual([
      { a: 1, b: 'x', c: 0 },
      { a: 1, b: 'x', c: 1 },
      { a: 1, b: 'y' },
      { a: 2 },
    ]);
  });

  test('checks samples', () => {
    const good = { layers: 1, cell: 'dense', learningRate: 0.001 };
    expect(checkParams(network, good)).toEqual(good);
    for (const bad of [
      { ...good, layers: 4 },
      { ...good, layers: 1.5 },
      { ...good, hidden: 8 },
      { ...good, cell: 'gru' },
      { ...good, cell: 'gru', hidden: 9 },
      { ...good, learningRate: Number.NaN },
      { ...good, momentum: 1 },
      { layers: 1 },
      [],
      null,
      'x',
    ]) {
      expect(codeOf(() => checkParams(network, bad))).toBe('INVALID_ARGUMENT');
    }
  });

  test.each<[string, () => unknown]>([
    ['an empty range', () => int(3, 2)],
    ['a fraction', () => int(0.5, 2)],
    ['a step of zero', () => int(0, 2, { step: 0 })],
    ['log from zero', () => float(0, 1, { log: true })],
    ['log of whole numbers from zero', () => int(0, 8, { log: true })],
    ['NaN', () => float(Number.NaN, 1)],
    ['infinity', () => float(0, Infinity)],
    ['a span beyond doubles', () => float(-1e308, 1e308)],
    ['no options', () => choice([])],
    ['an option twice', () => choice([1, 1])],
    ['an option that is an object', () => choice([{}] as never)],
    ['no parameters', () => space({})],
    ['a condition on a stranger', () => space({ a: when('b', [1], int(0, 1)) })],
    ['a condition on a later parameter', () => space({ a: when('b', [1], int(0, 1)), b: choice([1]) })],
    ['a condition that never holds', () => space({ b: choice([1]), a: when('b', [2], int(0, 1)) })],
    ['a condition without values', () => space({ b: choice([1]), a: when('b', [], int(0, 1)) })],
    [
      'a name twice',
      () =>
        spaceFromJson({
          version: 1,
          parameters: [
            { name: 'a', kind: 'int', low: 0, high: 1 },
            { name: 'a', kind: 'int', low: 0, high: 1 },
          ],
        }),
    ],
    [
      'a hostile name',
      () => spaceFromJson({ version: 1, parameters: [{ name: '__proto__', kind: 'int', low: 0, high: 1 }] }),
    ],
    ['an unknown kind', () => spaceFromJson({ version: 1, parameters: [{ name: 'a', kind: 'complex' }] })],
    ['an unknown version', () => spaceFromJson({ ...network, version: 9 })],
    ['too many parameters', () => spaceFromJson({ version: 1, parameters: Array(1000).fill(0) })],
  ])('refuses %s', (_, act) => {
    expect(codeOf(act)).toBe('INVALID_CONFIG');
  });

  test('whatever JSON it is given, it is a space or a coded error', () => {
    assert(
      property(anything(), (json) => {
        expect(
          codeOf(() =>
            spaceFromJson({
              version: 1,
              parameters: [json, { name: 'b', kind: json, low: json, options: json, when: json }],
            }),
          ),
        ).toBe('INVALID_CONFIG');
        expect(['INVALID_CONFIG']).toContain(codeOf(() => spaceFromJson(json)));
      }),
    );
  });
});

describe('coordinates', () => {
  test('every whole number owns a cell of the same width, also in the logarithm by its own measure', () => {
    const dimension = int(1, 4);
    const counts = new Map<number, number>();
    for (let i = 0; i < 4000; i++) {
      const value = fromUnit(dimension, (i + 0.5) / 4000);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts]).toEqual([1, 2, 3, 4].map((value) => [value, 1000]));
  });

  test.each([
    int(1, 100, { log: true }),
    int(0, 90, { step: 10 }),
    float(-3, 5),
    float(1e-6, 1, { log: true }),
    float(2, 2),
    int(7, 7),
  ])('there and back: %o', (dimension) => {
    for (const unit of [0, 0.1, 0.33, 0.5, 0.9, 1, -3, 7]) {
      const value = fromUnit(dimension, unit);
      expect(fromUnit(dimension, toUnit(dimension, value))).toBeCloseTo(value, 12);
      expect(value >= dimension.low && value <= dimension.high).toBe(true);
    }
    expect(interval(dimension).every(Number.isFinite)).toBe(true);
  });
});
