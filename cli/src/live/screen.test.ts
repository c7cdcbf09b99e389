import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { bar, drawScreen, seconds, sparkline } from './screen.ts';
import { beginning, tell, type Happening, type Story } from './story.ts';

const after = (...happenings: Happening[]): Story => happenings.reduce(tell, beginning);
const forecast = (at: number, error: number | null): Happening => ({
  at,
  kind: 'agent',
  line: {
    type: 'forecast',
    time: at,
    value: 20 + error!,
    release: 'r1',
    forecast: [{ time: at, value: 21 }],
    error,
    rollingError: error,
    driftScore: 0.1,
    latencyMs: 0.4,
  },
});
const active = (at: number, release: string): Happening => ({
  at,
  kind: 'agent',
  line: { type: 'update', stage: 'active', release },
});
const alarm = (at: number): Happening => ({
  at,
  kind: 'agent',
  line: { type: 'drift', state: 'alarm', score: 0.81 },
});
const many = (from: number, count: number, error: number): Happening[] =>
  Array.from({ length: count }, (_, i) => forecast(from + i, error));

const untilCalm: Happening[] = [
  { at: 900, kind: 'started' },
  { at: 4000, kind: 'collected', readings: 6000 },
  { at: 9000, kind: 'hub', event: { type: 'rollout.started', subject: null, data: {} } },
  active(9500, 'r1'),
  ...many(10_000, 400, 0.2),
];

test('the story closes when the error under the new release is clearly down', () => {
  const changed = after(
    ...untilCalm,
    { at: 12_000, kind: 'changed', what: 'insulation' },
    ...many(12_001, 80, 0.9),
    alarm(13_000),
  );
  expect(changed.stage).toBe('retrain');
  expect(changed.times.change?.note).toBe('insulation');
  const renewed = [...many(13_001, 50, 0.8), active(20_000, 'r2'), ...many(20_001, 160, 0.25)].reduce(tell, changed);
  expect(renewed.stage).toBe('done');
  expect(renewed.alarmToActiveMs).toBe(7000);
  expect(renewed.calm.mean).toBeCloseTo(0.2);
  expect(renewed.drifted.mean).toBeCloseTo(0.8);
});

test('the story stays open while the new release is no better', () => {
  const story = after(
    ...untilCalm,
    { at: 12_000, kind: 'changed', what: 'x' },
    alarm(13_000),
    ...many(13_001, 50, 0.8),
    active(20_000, 'r2'),
    ...many(20_001, 300, 0.7),
  );
  expect(story.stage).toBe('recover');
  expect([active(30_000, 'r3'), ...many(30_001, 160, 0.3)].reduce(tell, story).stage).toBe('done');
});

test('an alarm before the change is told, learnt from, and does not count as the change', () => {
  const story = after(...untilCalm, alarm(12_000));
  expect(story).toMatchObject({ stage: 'predict', relearning: true, calm: { count: 0 } });
  expect(story.trouble.join()).toContain('before the change');
  const again = [active(15_000, 'r2'), ...many(15_001, 50, 0.2)].reduce(tell, story);
  expect(again).toMatchObject({ stage: 'predict', relearning: false, calm: { count: 50 }, release: 'r2' });
});

test('every line fits the terminal, whatever happened', () => {
  const stories = [
    beginning,
    after(...untilCalm),
    after(...untilCalm, { at: 11_900, kind: 'changed', what: 'x' }, alarm(12_000), {
      at: 12_100,
      kind: 'hub',
      event: {
        type: 'trial.finished',
        subject: null,
        data: {
          finished: 3,
          total: 24,
          best: { validationMae: 0.123456, params: { cell: 'gru', hidden: 24, learningRate: 0.0123456 } },
        },
      },
    }),
  ];
  for (const story of stories) {
    for (const width of [20, 40, 80, 200]) {
      const lines = drawScreen(story, { title: 'temperature · a simulated room', unit: '°C', now: 12_345, width });
      for (const line of lines) expect(stripVTControlCharacters(line).length).toBeLessThan(Math.max(width, 50));
    }
  }
  const text = stripVTControlCharacters(
    drawScreen(stories[2]!, { title: 't', unit: '°C', now: 1, width: 160 }).join('\n'),
  );
  const hub = { url: 'http://127.0.0.1:7411', keyFile: '.sanderling/keys/admin.key' };
  const head = drawScreen(stories[2]!, { title: 't', unit: '°C', now: 1, width: 160, hub }).slice(0, 3).join('\n');
  expect(stripVTControlCharacters(head)).toContain(
    'API page http://127.0.0.1:7411/docs · key in .sanderling/keys/admin.key',
  );
  expect(text).not.toContain('API page');
  expect(text).toContain('3/24');
  expect(text).toContain('hidden 24, learningRate 0.012');
});

test('small pictures', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([5, 5, 5], 10)).toBe('▁▁▁');
  expect(sparkline([], 10)).toBe('');
  expect(
    sparkline(
      Array.from({ length: 1000 }, (_, i) => i),
      50,
    ).length,
  ).toBeLessThanOrEqual(50);
  expect(bar(0.5, 4)).toBe('██░░');
  expect([bar(-1, 2), bar(9, 2)]).toEqual(['░░', '██']);
  expect([seconds(900), seconds(61_500)]).toEqual(['0.9 s', '1 min 01 s']);
});

test('a release for a board says what it costs there', () => {
  const cost = {
    board: 'm7' as const,
    instructions: 120_000,
    megahertz: 480,
    memoryBytes: 20_000,
    stackBytes: 480,
    imageBytes: 30_720,
    constantBytes: 5000,
    multiplyAccumulates: 25_000,
    difference: 0,
  };
  const story = after(...untilCalm, {
    at: 10_500,
    kind: 'hub',
    event: { type: 'release.created', subject: 'r2', data: { cost } },
  });
  expect(story.cost).toEqual(cost);
  const screen = drawScreen(story, { title: 'room', unit: '°C', now: 11_000, width: 160 }).map(
    stripVTControlCharacters,
  );
  expect(screen.join('\n')).toContain(
    'STM32H745     RAM 20.0 KB · flash 30.0 KB · 120000 instructions, 0.25 ms at 480 MHz (emulated)',
  );
});
