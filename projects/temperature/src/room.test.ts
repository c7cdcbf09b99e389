import {
  actualsAt,
  decodeForecasts,
  encodeSeries,
  evaluateForecasts,
  expandFeatures,
  fitLinear,
  fitPreprocessing,
  qualityReport,
  resample,
  splitRanges,
  windowStarts,
  type Grid,
  type LinearForecaster,
  type Preprocessing,
  type Reading,
} from '@sanderling/series';
import { describe, expect, it } from 'vitest';
import { roomChangeNames } from './room-changes.ts';
import { isWeekend, thermostat, wantedTemperature, nightSetback } from './room-life.ts';
import { ordinaryRoom, stepRoom } from './room-model.ts';
import { sunOnSouthWindow } from './room-weather.ts';
import { simulateRoom } from './room.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const winter = Date.UTC(2026, 0, 5);

describe('the heat balance', () => {
  const still = { outside: 5, sunOnWindow: 0, people: 0, heating: false, windowOpen: 0 };

  it('comes to rest at the outside temperature when nothing heats', () => {
    let state = { air: 25, envelope: 25, radiator: 25 };
    for (let i = 0; i < 60 * 24 * 40; i++) state = stepRoom(ordinaryRoom, state, { inputs: still, seconds: 60 });
    expect(state.air).toBeCloseTo(5, 3);
    expect(state.envelope).toBeCloseTo(5, 3);
  });

  it('comes to rest where the heating equals the losses', () => {
    let state = { air: 5, envelope: 5, radiator: 5 };
    for (let i = 0; i < 60 * 24 * 40; i++)
      state = stepRoom(ordinaryRoom, state, { inputs: { ...still, heating: true }, seconds: 60 });
    const { airToEnvelope, envelopeToOutside, glass, ventilation, heatingPower, radiatorToAir } = ordinaryRoom;
    const lossPerKelvin = glass + ventilation + 1 / (1 / airToEnvelope + 1 / envelopeToOutside);
    expect(state.air).toBeCloseTo(5 + heatingPower / lossPerKelvin, 2);
    expect(state.radiator - state.air).toBeCloseTo(heatingPower / radiatorToAir, 3);
  });

  it('hardly depends on its step', () => {
    const run = (seconds: number): number => {
      let state = { air: 20, envelope: 17, radiator: 20 };
      for (let at = 0; at < 3600 * 6; at += seconds)
        state = stepRoom(ordinaryRoom, state, { inputs: { ...still, heating: true }, seconds });
      return state.air;
    };
    expect(Math.abs(run(60) - run(1))).toBeLessThan(0.02);
  });
});

describe('the sun and the schedule', () => {
  it('stands highest at noon, is gone at night, and shines flatter into a south window in winter', () => {
    const at = (month: number, h: number): number => sunOnSouthWindow(Date.UTC(2026, month, 21, h), 50, 0);
    expect(at(5, 0)).toBe(0);
    expect(at(5, 12)).toBeGreaterThan(at(5, 9));
    expect(at(11, 12)).toBeGreaterThan(at(5, 12) * 0.5);
    expect(at(5, 12)).toBeLessThan(700);
    expect(sunOnSouthWindow(Date.UTC(2026, 5, 21, 12), 50, 1)).toBeLessThan(0.5 * at(5, 12));
  });

  it('knows weekends, comfort hours, and hours over midnight', () => {
    expect(isWeekend(Date.UTC(2026, 0, 3))).toBe(true);
    expect(isWeekend(winter)).toBe(false);
    expect(wantedTemperature(nightSetback, winter + 7 * hour)).toBe(21);
    expect(wantedTemperature(nightSetback, winter + 23 * hour)).toBe(16.5);
    const late = { ...nightSetback, weekday: [20, 4] as const };
    expect([1, 5, 21].map((h) => wantedTemperature(late, winter + h * hour))).toEqual([21, 16.5, 21]);
    expect([
      thermostat(false, 20.9, 21),
      thermostat(true, 20.9, 21),
      thermostat(false, 20.8, 21),
      thermostat(true, 21.2, 21),
    ]).toEqual([false, true, true, false]);
  });
});

describe('the simulated sensor', () => {
  it('is seeded: same seed, same readings; another seed, another winter', () => {
    const of = (seed: number) => simulateRoom({ seed, start: winter }).take(300);
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });

  it('reads in steps of 0.0625 °C at the times asked for, and the room does not depend on how often it is read', () => {
    const coarse = simulateRoom({ start: winter }).take(400);
    const fine = simulateRoom({ start: winter, stepMs: minute }).take(4000);
    for (const [i, { time, value }] of coarse.entries()) {
      expect(time).toBe(winter + i * 10 * minute);
      expect(value / 0.0625).toBe(Math.round(value / 0.0625));
      expect(Math.abs(value - (fine[i * 10]?.value ?? value))).toBeLessThan(0.3);
    }
  });

  it('jitters only as far as asked', () => {
    const readings = simulateRoom({ start: winter, jitterMs: 5000 }).take(500);
    const off = readings.map(({ time }, i) => time - winter - i * 10 * minute);
    expect(Math.max(...off.map(Math.abs))).toBeLessThanOrEqual(5000);
    expect(new Set(off).size).toBeGreaterThan(100);
  });

  it('gives a believable, clean winter', () => {
    const readings = simulateRoom({ start: winter, seed: 3 }).take(144 * 30);
    const report = qualityReport(readings, { quantity: 'temperature', unit: '°C' });
    expect(report).toMatchObject({ usable: true, findings: [], resolution: 0.0625 });
    expect(report.minimum).toBeGreaterThan(12);
    expect(report.maximum).toBeLessThan(28);
  });

  it('changes at the time asked for, and not before', () => {
    const [plain, changed] = [simulateRoom({ start: winter }), simulateRoom({ start: winter })];
    changed.change('window-left-open', winter + 2 * day);
    const [a, b] = [plain.take(144 * 4), changed.take(144 * 4)];
    expect(b.slice(0, 288)).toEqual(a.slice(0, 288));
    expect(b.slice(300, 400)).not.toEqual(a.slice(300, 400));
    expect(() => plain.change('earthquake' as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => simulateRoom({ start: Number.NaN })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

const shape = { window: 36, horizon: 12 };
const gridOf = (readings: readonly Reading[]): Grid => resample(readings, { stepMs: 10 * minute, offsetMs: 0 });

/** A linear forecaster of two hours, trained on readings. */
function train(readings: readonly Reading[]): { readonly p: Preprocessing; readonly model: LinearForecaster } {
  const grid = gridOf(readings);
  const ranges = splitRanges(grid, { train: 0.8, validation: 0.1 });
  const p = fitPreprocessing(grid, ranges.train, { ...shape, features: expandFeatures(['hour-of-day']) });
  const encoded = encodeSeries(grid, p);
  return { p, model: fitLinear(encoded, { ...shape, starts: windowStarts(grid, { ...shape, ranges }).train }) };
}

function errorOn(readings: readonly Reading[], { p, model }: ReturnType<typeof train>): number {
  const grid = gridOf(readings);
  const all = { from: 0, to: grid.values.length };
  const none = { from: all.to, to: all.to };
  const starts = windowStarts(grid, { ...shape, ranges: { train: all, validation: none, test: none } }).train;
  const forecasts = decodeForecasts(model.forecast(encodeSeries(grid, p), starts), p);
  return evaluateForecasts(forecasts, actualsAt(grid, starts, shape)).mae;
}

describe.each(roomChangeNames)('the change %s', (change) => {
  it('at least doubles the error of a forecaster trained before it, and two weeks of the new world bring it back', () => {
    const room = simulateRoom({ start: winter, seed: 5 });
    const before = train(room.take(144 * 40));
    const usual = errorOn(room.take(144 * 7), before);
    room.change(change);
    const fresh = room.take(144 * 14);
    expect(errorOn(fresh.slice(0, 144 * 3), before)).toBeGreaterThan(2 * usual);
    const after = room.take(144 * 7);
    const retrained = errorOn(after, train(fresh));
    expect(retrained).toBeLessThan(1.6 * usual);
    expect(retrained).toBeLessThan(0.6 * errorOn(after, before));
  });
});
