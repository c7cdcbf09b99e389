// Automations: an alarm becomes a better model after enough fresh readings, once, also across a restart; a gate’s no means trying again with more.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AutomationSpec } from '@sanderling/wire';
import { expect, test, vi } from 'vitest';
import { ended, eventOf, feed, openHouse, roomReadings, smallProject, type House } from '../../learning.suite.ts';
import { arm, idle, isReady, mostTries, settle } from './decide.ts';

// Seconds of work on a quiet machine; a busy one may take a minute.
vi.setConfig({ testTimeout: 240_000 });

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'house-'));
const spec: AutomationSpec = { when: 'drift.alarm', collect: '1h', cooldown: '1d', run: ['retrain'] };
const trigger = { cause: 'evt_1', time: 1000, freshFrom: 1000 };
const hour = 3_600_000;

async function alarm(house: House, deviceTime: number): Promise<void> {
  const data = { deviceTime, score: 0.9 };
  await house.events.append({ type: 'drift.alarm', project: 'room', subject: 'dev_1', data });
}

const project = (automation: object, gates: object[] = []) => ({ ...smallProject, gates, automations: [automation] });

test('an alarm waits for fresh readings, trains with them weighed, and the champion moves', async () => {
  await using house = await openHouse(await newFolder());
  const automation = { when: 'drift.alarm', collect: { readings: 300 }, run: ['retrain', 'gate', 'roll-out'] };
  await house.projects.put(project(automation, [{ gate: 'not-worse-than-champion', marginPercent: 2 }]));
  await feed(house, 'room', roomReadings(900));
  await ended(house, (await house.pipelines.begin('room')).id);
  const changed = roomReadings(400, { from: 900, shift: 1 });
  await alarm(house, changed[0]!.time);
  expect((await eventOf(house, 'automation.armed')).data).toMatchObject({ waitUntilCount: 1200, tries: 1 });
  await feed(house, 'room', changed.slice(0, 200));
  await house.clock.sleep(700);
  expect(await house.events.list({ types: ['automation.started'] })).toEqual([]);
  await feed(house, 'room', changed.slice(200));
  const started = await eventOf(house, 'automation.started');
  const execution = await ended(house, String(started.data['execution']));
  expect(execution).toMatchObject({ state: 'succeeded', reason: null });
  const { prepared } = execution.steps.find(({ name }) => name === 'prepare')!.outputs as {
    prepared: { fresh: { row: number }; targets: { test: { from: number } } };
  };
  expect(prepared.fresh.row).toBe(900);
  expect(prepared.targets.test.from).toBeGreaterThan(900);
  expect((await house.registry.get('room', 'champion')).version).toBe(2);
  const [gate] = (await house.registry.get('room', 2)).gates!;
  expect(gate).toMatchObject({ gate: 'not-worse-than-champion', passed: true });
  expect(gate!.numbers['relative']).toBeLessThan(-0.2);
});

test('what was armed before a restart starts after it', async () => {
  const folder = await newFolder();
  {
    await using house = await openHouse(folder);
    await house.projects.put(project({ when: 'drift.alarm', collect: { readings: 100 }, run: ['retrain'] }));
    await feed(house, 'room', roomReadings(900));
    await alarm(house, 1_700_000_000_000 + 900 * 600_000);
    await eventOf(house, 'automation.armed');
  }
  await using house = await openHouse(folder);
  await feed(house, 'room', roomReadings(100, { from: 900 }));
  const started = await eventOf(house, 'automation.started');
  await ended(house, String(started.data['execution']));
  expect((await house.pipelines.list()).items.length).toBe(1);
});

test('a second alarm while one is being seen to is skipped with a reason', async () => {
  await using house = await openHouse(await newFolder());
  await house.projects.put(project({ when: 'drift.alarm', collect: { readings: 1000 }, run: ['retrain'] }));
  await feed(house, 'room', roomReadings(900));
  for (let i = 0; i < 2; i++) await alarm(house, 1_700_540_000_000);
  expect((await eventOf(house, 'automation.skipped')).data['reason']).toMatch(/already/);
  expect((await house.events.list({ types: ['automation.armed'] })).length).toBe(1);
});

test('arming, waiting and the cooldown go by the readings’ time', () => {
  const readings = { count: 500, lastTime: 1000 };
  const armed = arm(idle('room', 0), spec, { trigger, readings });
  if (typeof armed === 'string') throw new Error(armed);
  expect(isReady(armed, { count: 900, lastTime: 999 + hour })).toBe(false);
  expect(isReady(armed, { count: 500, lastTime: 1000 + hour })).toBe(true);
  const rested = { ...idle('room', 0), lastStart: 1000 };
  const soon = { ...trigger, time: 1000 + hour };
  expect(arm(rested, spec, { trigger: soon, readings })).toMatch(/cooldown of 1d/);
  expect(arm(rested, spec, { trigger: { ...soon, time: 1000 + 25 * hour }, readings })).toMatchObject({
    state: 'armed',
  });
});

test('a stopped execution is tried again with as many readings more, three times at most', () => {
  const readings = { count: 500, lastTime: 5000 };
  let state = {
    ...idle('room', 0),
    state: 'running' as 'idle' | 'armed' | 'running',
    tries: 1,
    execution: 'exe_1' as string | null,
    freshFrom: 1000 as number | null,
  };
  for (let tries = 2; tries <= mostTries; tries++) {
    const next = settle({ ...state, state: 'running' }, spec, { end: 'stopped', code: null, readings });
    expect(next.state).toMatchObject({ state: 'armed', tries, waitUntilTime: 5000 + hour, freshFrom: 1000 });
    state = next.state;
  }
  const last = settle({ ...state, state: 'running' }, spec, { end: 'stopped', code: null, readings });
  expect(last.state.state).toBe('idle');
  expect(last.reason).toMatch(/given up after 3 tries/);
  expect(settle({ ...state, state: 'running' }, spec, { end: 'succeeded', code: null, readings })).toMatchObject({
    reason: null,
    state: { state: 'idle' },
  });
});

test('a start that found too little data waits for more by itself, however often, and is not counted as a try', () => {
  const readings = { count: 500, lastTime: 5000 };
  const running = { ...idle('room', 0), state: 'running' as const, tries: mostTries, execution: 'exe_1' };
  const stopped = { end: 'stopped', code: 'TOO_LITTLE_DATA', readings };
  const next = settle(running, spec, stopped);
  expect(next.state).toMatchObject({ state: 'armed', tries: mostTries, waitUntilTime: 5000 + hour, execution: null });
  expect(next.reason).toMatch(/waits for more/);
  const { collect: _collect, ...bare } = spec;
  expect(settle(running, bare, stopped).state).toMatchObject({ state: 'armed', waitUntilCount: 550 });
  expect(settle(running, bare, { ...stopped, code: null }).state.state).toBe('idle');
});

test('with fewer than 30 windows to judge by, the search is not begun; the automation waits for more readings and then succeeds', async () => {
  await using house = await openHouse(await newFolder());
  const automation = { when: 'drift.alarm', run: ['retrain'], cooldown: '1h' };
  const data = { ...smallProject.data, split: { train: 0.88, validation: 0.06, test: 0.06 } };
  await house.projects.put({ ...project(automation), data });
  await feed(house, 'room', roomReadings(285));
  await alarm(house, 1_700_000_000_000 + 280 * 600_000);
  const waiting = await eventOf(house, 'automation.armed', (await eventOf(house, 'automation.started')).seq);
  expect(waiting.data).toMatchObject({ tries: 1, waitUntilCount: 314 });
  const [stopped] = (await house.pipelines.list()).items;
  expect(stopped).toMatchObject({ state: 'stopped' });
  expect(stopped!.reason).toMatch(/2\d windows together; 30 are needed/);
  expect(stopped!.steps.find(({ name }) => name === 'search')).toMatchObject({ state: 'skipped' });
  await feed(house, 'room', roomReadings(60, { from: 285 }));
  const again = await eventOf(house, 'automation.started', waiting.seq);
  expect(await ended(house, String(again.data['execution']))).toMatchObject({ state: 'succeeded' });
});
