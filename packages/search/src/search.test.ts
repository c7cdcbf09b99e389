import { createRandom, SanderlingError } from '@sanderling/kit';
import { anything, assert, constantFrom, integer, nat, property, record, shuffledSubarray, string } from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  choice,
  createSearch,
  float,
  genetic,
  int,
  nsga2,
  random,
  restoreSearch,
  space,
  tpe,
  when,
  type AlgorithmConfig,
  type Outcome,
  type Params,
  type Sampled,
  type Search,
} from './index.ts';

const network = space({
  cell: choice(['gru', 'lstm', 'dense']),
  hidden: when('cell', ['gru', 'lstm'], int(8, 64, { log: true, step: 4 })),
  window: choice([12, 24, 48]),
  learningRate: float(1e-4, 1e-2, { log: true }),
  dropout: float(0, 0.4),
});

/** A cost with its minimum inside: depends on every parameter. */
function cost(params: Params): number {
  const hidden = typeof params['hidden'] === 'number' ? Math.abs(params['hidden'] - 32) / 32 : 1;
  const rate = Math.abs(Math.log10(params['learningRate'] as number) + 3);
  return hidden + rate + (params['dropout'] as number) + (params['window'] === 24 ? 0 : 0.3);
}

const algorithms: readonly [string, AlgorithmConfig][] = [
  ['random', random()],
  ['genetic', genetic({ population: 8 })],
  ['tpe', tpe({ concurrency: 3 })],
  ['nsga2', nsga2({ population: 8 })],
];

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `uncoded: ${String(error)}`;
  }
  return 'no error';
}

/** Some trials fail or are pruned, as in life; which, depends only on the parameters. */
function outcomeOf(params: Params): Outcome {
  const value = cost(params);
  const fate = Math.floor(value * 1e6) % 10;
  if (fate === 0) return { state: 'failed', reason: 'out of memory' };
  return fate === 1 ? { state: 'pruned', value: value + 1 } : { value };
}

/** Runs with up to `workers` trials at once, which finish in an order of their own. */
function run<P extends object>(search: Search<P>, workers: number, order = 'first'): Search<P> {
  const running: { id: number; params: P }[] = [];
  const stream = createRandom(order);
  for (;;) {
    const trial = running.length < workers ? search.ask() : undefined;
    if (trial !== undefined) running.push(trial);
    else if (running.length > 0) {
      const [done] = running.splice(stream.int(0, running.length - 1), 1);
      search.tell(done!.id, outcomeOf(done!.params as Params));
    } else return search;
  }
}

describe.each(algorithms)('%s search', (_, algorithm) => {
  const begin = (seed: number, trials = 60) => createSearch(algorithm, network, { seed, trials });

  test('the trials are the same however many run at once and in whatever order they end', () => {
    const alone = run(begin(3), 1).trials();
    expect(alone).toHaveLength(60);
    for (const workers of [2, 3, 100]) expect(run(begin(3), workers, `order ${workers}`).trials()).toEqual(alone);
    expect(run(begin(4), 1).trials()).not.toEqual(alone);
  });

  test('killed anywhere and restored from JSON, it goes on as if nothing had happened', () => {
    const whole = run(begin(5, 40), 1).trials();
    for (const cut of [0, 1, 7, 8, 9, 23, 39]) {
      const search = begin(5, 40);
      for (let i = 0; i < cut; i++) {
        const trial = search.ask()!;
        search.tell(trial.id, outcomeOf(trial.params));
      }
      search.ask();
      const restored = restoreSearch(JSON.parse(JSON.stringify(search.state())), network);
      for (const { id, params } of restored.outstanding()) restored.tell(id, outcomeOf(params));
      expect(run(restored, 2).trials()).toEqual(whole);
    }
  });

  test('no trial stands twice, and every one is inside the space', () => {
    const trials = run(begin(6), 4).trials();
    expect(new Set(trials.map(({ params }) => JSON.stringify(params))).size).toBe(60);
    for (const { params } of trials) {
      expect(params.hidden === undefined).toBe(params.cell === 'dense');
      if (params.hidden !== undefined) expect((params.hidden - 8) % 4).toBe(0);
    }
  });

  test('a small space is tried once through, and no more', () => {
    const small = space({ a: int(1, 4), b: choice(['x', 'y']), c: when('b', ['y'], choice([true, false])) });
    const search = createSearch(algorithm, small);
    for (let trial = search.ask(); trial !== undefined; trial = search.ask())
      search.tell(trial.id, { value: trial.params.a });
    expect(search.trials()).toHaveLength(12);
    expect(search.exhausted).toBe(true);
  });

  test('begins with the parameters it is given', () => {
    const initial = { cell: 'dense', window: 24, learningRate: 0.001, dropout: 0 } as const;
    const search = createSearch(algorithm, network, { initial: [initial] });
    expect(search.ask()?.params).toEqual(initial);
    expect(run(createSearch(algorithm, network, { initial: [initial], trials: 20 }), 2).trials()).toHaveLength(20);
  });

  test('survives failures only', () => {
    const search = begin(1, 50);
    for (let trial = search.ask(); trial !== undefined; trial = search.ask())
      search.tell(trial.id, { state: 'failed' });
    expect(search.trials()).toHaveLength(50);
    expect(search.best()).toBeUndefined();
    expect(search.history()).toEqual([]);
  });

  test('a minimum and the maximum of its negative are the same search', () => {
    const up = createSearch(algorithm, network, { trials: 40, goals: [{ name: 'score', direction: 'maximize' }] });
    const down = createSearch(algorithm, network, { trials: 40 });
    for (let trial = up.ask(); trial !== undefined; trial = up.ask()) up.tell(trial.id, { value: -cost(trial.params) });
    for (let trial = down.ask(); trial !== undefined; trial = down.ask())
      down.tell(trial.id, { value: cost(trial.params) });
    expect(up.best()?.params).toEqual(down.best()?.params);
    expect(up.history().map(({ value }) => -value)).toEqual(down.history().map(({ value }) => value));
  });

  test('keeps to the constraints when it names the best', () => {
    const search = createSearch(algorithm, network, {
      trials: 60,
      goals: [{ name: 'error', direction: 'minimize' }],
      constraints: [{ name: 'bytes', max: 40 }],
    });
    for (let trial = search.ask(); trial !== undefined; trial = search.ask()) {
      search.tell(trial.id, { values: { error: cost(trial.params), bytes: trial.params.hidden ?? 100 } });
    }
    const kept = search.trials().filter(({ values }) => values!['bytes']! <= 40);
    expect(search.best()?.values?.['error']).toBe(Math.min(...kept.map(({ values }) => values!['error']!)));
  });

  test('any space, any seed: samples stay inside, one worker or several', () => {
    const range = record({
      low: integer({ min: 1, max: 50 }),
      span: integer({ min: 0, max: 100 }),
      step: integer({ min: 1, max: 9 }),
    });
    assert(
      property(
        range,
        integer(),
        constantFrom(true, false),
        shuffledSubarray([1, 2, 3, 4, 5], { minLength: 1 }),
        (r, seed, log, options) => {
          const any = space({
            i: int(r.low, r.low + r.span, { log, step: r.step }),
            f: float(r.low, r.low + r.span, { log }),
            c: choice(options),
          });
          const search = createSearch(algorithm, any, { seed, trials: 20 });
          for (let trial = search.ask(); trial !== undefined; trial = search.ask()) {
            const { i, f, c } = trial.params;
            expect(i >= r.low && i <= r.low + r.span && (i - r.low) % r.step === 0).toBe(true);
            expect(f >= r.low && f <= r.low + r.span).toBe(true);
            expect(options).toContain(c);
            search.tell(trial.id, { value: i + f });
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('genetic search', () => {
  test('waits at the end of a generation for the last trial', () => {
    const search = createSearch(genetic({ population: 4 }), network);
    const first = [search.ask(), search.ask(), search.ask(), search.ask()];
    expect(search.ask()).toBeUndefined();
    for (const trial of first.slice(1)) search.tell(trial!.id, { value: 1 });
    expect(search.ask()).toBeUndefined();
    expect(search.outstanding()).toEqual([first[0]]);
    search.tell(0, { value: 2 });
    expect(search.ask()?.id).toBe(4);
  });

  test('finds far better parameters than random search on the same budget', () => {
    const bowl = space({ x: float(-5, 5), y: float(-5, 5), z: float(-5, 5), w: float(-5, 5) });
    const finalCost = (algorithm: AlgorithmConfig, seed: number): number => {
      const search = createSearch(algorithm, bowl, { seed, trials: 200 });
      for (let trial = search.ask(); trial !== undefined; trial = search.ask()) {
        const { x, y, z, w } = trial.params;
        search.tell(trial.id, { value: (x - 1) ** 2 + (y + 2) ** 2 + (z - 3) ** 2 + w ** 2 });
      }
      return search.history().at(-1)!.value;
    };
    const median = (algorithm: AlgorithmConfig): number =>
      Array.from({ length: 21 }, (_, seed) => finalCost(algorithm, seed)).sort((a, b) => a - b)[10]!;
    expect(median(genetic())).toBeLessThan(median(random()) / 5);
  });
});

describe('telling', () => {
  const search = () => {
    const fresh = createSearch(random(), network, {
      goals: [
        { name: 'error', direction: 'minimize' },
        { name: 'speed', direction: 'maximize' },
      ],
    });
    fresh.ask();
    return fresh;
  };

  test('takes values by name or in order, and the same outcome twice', () => {
    const s = search();
    s.tell(0, { values: [1, 2] });
    s.tell(0, { values: { speed: 2, error: 1, other: 9 } });
    expect(s.trials()[0]).toMatchObject({ state: 'complete', values: { error: 1, speed: 2 } });
    expect(codeOf(() => s.tell(0, { values: [1, 3] }))).toBe('CONFLICT');
    expect(codeOf(() => s.tell(0, { state: 'failed' }))).toBe('CONFLICT');
  });

  test.each<[string, number, unknown, string]>([
    ['an unknown trial', 1, { values: [1, 2] }, 'NOT_FOUND'],
    ['a fractional id', 0.5, { values: [1, 2] }, 'NOT_FOUND'],
    ['too few values', 0, { values: [1] }, 'INVALID_ARGUMENT'],
    ['one value for two goals', 0, { value: 1 }, 'INVALID_ARGUMENT'],
    ['NaN', 0, { values: [1, Number.NaN] }, 'INVALID_ARGUMENT'],
    ['infinity', 0, { values: [Infinity, 1] }, 'INVALID_ARGUMENT'],
    ['text', 0, { values: { error: '1', speed: 2 } }, 'INVALID_ARGUMENT'],
    ['nothing', 0, {}, 'INVALID_ARGUMENT'],
    ['null', 0, null, 'INVALID_ARGUMENT'],
    ['an unknown end', 0, { state: 'vanished' }, 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, id, outcome, code) => {
    const s = search();
    expect(codeOf(() => s.tell(id, outcome as Outcome))).toBe(code);
    expect(s.trials()[0]?.state).toBe('running');
  });
});

describe('state', () => {
  test.each<[string, (state: Record<string, unknown>) => unknown, string]>([
    ['nothing', () => null, 'CORRUPT'],
    ['another version', (s) => ({ ...s, version: 2 }), 'CORRUPT'],
    ['a missing trial', (s) => ({ ...s, trials: (s['trials'] as unknown[]).slice(1) }), 'CORRUPT'],
    ['trials that are none', (s) => ({ ...s, trials: 'all' }), 'CORRUPT'],
    ['no space', (s) => ({ ...s, space: undefined }), 'INVALID_CONFIG'],
    ['an unknown algorithm', (s) => ({ ...s, algorithm: { kind: 'toString' } }), 'INVALID_CONFIG'],
    ['no goals', (s) => ({ ...s, goals: [] }), 'INVALID_CONFIG'],
    [
      'parameters outside the space',
      (s) => ({ ...s, trials: [{ id: 0, params: { cell: 'rnn' }, state: 'running' }] }),
      'INVALID_ARGUMENT',
    ],
  ])('refuses %s', (_, spoil, code) => {
    const search = createSearch(random(), network);
    search.ask();
    search.ask();
    const state = JSON.parse(JSON.stringify(search.state())) as Record<string, unknown>;
    expect(codeOf(() => restoreSearch(spoil(state)))).toBe(code);
  });

  test('refuses to go on in another space', () => {
    const state = createSearch(random(), network).state();
    expect(codeOf(() => restoreSearch(state, space({ x: float(0, 1) })))).toBe('CONFLICT');
  });
});

describe('types', () => {
  test('the sample type follows from the space', () => {
    expectTypeOf<Sampled<typeof network>>().toEqualTypeOf<
      {
        readonly cell: 'gru' | 'lstm' | 'dense';
        readonly window: 12 | 24 | 48;
        readonly learningRate: number;
        readonly dropout: number;
      } & { readonly hidden?: number }
    >();
    const trial = createSearch(random(), network).ask()!;
    expectTypeOf(trial.params.window).toEqualTypeOf<12 | 24 | 48>();
    expect([12, 24, 48]).toContain(trial.params.window);
  });

  test('options are checked once, at the edge', () => {
    expect(codeOf(() => genetic({ population: 1 }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => genetic({ populaton: 10 } as never))).toBe('INVALID_CONFIG');
    expect(codeOf(() => createSearch(genetic(), network, { trials: 0 }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => createSearch(genetic(), network, { constraints: [{ name: 'bytes' }] }))).toBe('INVALID_CONFIG');
    expect(
      codeOf(() =>
        createSearch(genetic(), network, {
          goals: [
            { name: 'a', direction: 'minimize' },
            { name: 'b', direction: 'minimize' },
          ],
        }),
      ),
    ).toBe('INVALID_CONFIG');
  });
});

describe('a stored state that was spoilt anywhere', () => {
  const whole = (() => {
    const search = createSearch(genetic({ population: 4 }), network, {
      trials: 12,
      constraints: [{ name: 'bytes', max: 9 }],
    });
    for (let i = 0; i < 10; i++) {
      const trial = search.ask();
      if (trial !== undefined)
        search.tell(trial.id, i === 3 ? { state: 'failed' } : { values: { value: i, bytes: i } });
    }
    return JSON.stringify(search.state());
  })();

  test('is a coded error or a search that goes on', () => {
    assert(
      property(string(), anything(), nat(), (key, junk, at) => {
        let seen = 0;
        // Replaces the value with number `at`, wherever it lies, by junk.
        const spoilt: unknown = JSON.parse(whole, (name, value: unknown) =>
          seen++ === at % 200 ? junk : name === key ? junk : value,
        );
        try {
          const search = restoreSearch(spoilt);
          for (const { id } of search.outstanding()) search.tell(id, { state: 'failed' });
          search.ask();
          search.state();
        } catch (error) {
          expect(error).toBeInstanceOf(SanderlingError);
        }
      }),
      { numRuns: 600 },
    );
  });
});
