// kill -9 at random points of search, release and roll-out: the loop completes, with the same result as an undisturbed one, and nothing counts twice.
import { fork } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { openBundle } from '@sanderling/wire';
import { expect, test, vi } from 'vitest';
import { ended, enrolDevice, feed, openHouse, roomReadings, smallProject } from '../learning.suite.ts';

// Seconds of work on a quiet machine; a busy one may take a minute.
vi.setConfig({ testTimeout: 240_000 });

const kills = 5;
/** Time for an undisturbed loop, milliseconds: some seconds on a quiet machine. */
const patience = 100_000;
const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'house-'));

/** A house with readings, a device and a queued execution; nothing runs. */
async function prepareHouse(folder: string): Promise<string> {
  await using house = await openHouse(folder, { start: false });
  await house.projects.put({ ...smallProject, search: { ...smallProject.search, trials: 6 } });
  await feed(house, 'room', roomReadings(900));
  const device = await enrolDevice(house, 'sensor');
  await house.pipelines.begin('room', { ignoreCache: true });
  return device;
}

/** Runs the house in a process of its own. @returns whether it came to its end before it was killed. */
function live(folder: string, device: string, killAfterMs: number): Promise<boolean> {
  const child = fork(new URL('./house-process.suite.ts', import.meta.url), [folder, device], { execArgv: [] });
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  return new Promise((resolve, reject) => {
    let isDone = false;
    child.on('message', () => (isDone = true));
    child.on('exit', (code, killedBy) => {
      clearTimeout(timer);
      if (isDone || killedBy === 'SIGKILL') resolve(isDone);
      else reject(new Error(`the house ended with ${code}`));
    });
  });
}

/** What came of it, without ids and times. */
async function outcome(folder: string) {
  await using house = await openHouse(folder, { start: false });
  const [execution] = (await house.pipelines.list()).items;
  const search = execution!.steps.find((step) => step.name === 'search')!.outputs as {
    trials: number;
    best: { trial: number; params: object; validationMae: number; model: string };
  };
  const events = await house.events.list({ limit: 10_000 });
  const told = events.filter(({ type }) => type === 'trial.finished').map(({ data }) => data['trial']);
  const runs = (await house.tracking.runs({ limit: 100 })).items.filter(({ tags }) => tags['kind'] === 'trial');
  const releases = (await house.releases.list('room')).items;
  const rollouts = (await house.rollouts.list('room')).items;
  const bundle = await house.releases.bundle(releases[0]!.digest);
  const opened = openBundle(await bundle.read(0, bundle.size), house.hubKeys.release.publicKey, releases[0]!.digest);
  const { trial, params, validationMae, model } = search.best;
  return {
    state: execution!.state,
    best: { trial, params, validationMae, model },
    told: told.map(Number).toSorted((a, b) => a - b),
    runs: Object.fromEntries(runs.map(({ name, state, metrics }) => [name, [state, metrics['validation-mae']]])),
    runCount: runs.length,
    versions: (await house.registry.list('room')).items.length,
    champion: (await house.registry.find('room', 'champion'))?.version,
    releases: releases.map(({ version, sequence }) => [version, sequence]),
    rollouts: rollouts.map(({ state, devices }) => [state, devices.map((device) => device.state)]),
    metrics: opened.manifest.provenance.metrics,
  };
}

test('a killed loop completes as an undisturbed one does', async () => {
  const [calm, stormy] = [await newFolder(), await newFolder()];
  expect(await live(calm, await prepareHouse(calm), patience)).toBe(true);
  const device = await prepareHouse(stormy);
  const random = createRandom(Date.now(), 'kills');
  let isDone = false;
  for (let i = 0; i < kills && !isDone; i++) isDone = await live(stormy, device, random.int(400, 1800));
  isDone ||= await live(stormy, device, patience);
  expect(isDone).toBe(true);
  const result = await outcome(stormy);
  expect(result).toEqual(await outcome(calm));
  expect(result.told).toEqual([0, 1, 2, 3, 4, 5]);
  expect(result.rollouts).toEqual([['succeeded', ['active']]]);
  expect(result.champion).toBe(1);
});

test('the same seed gives the same result with one worker and with two', async () => {
  const results = [];
  for (const size of [1, 2]) {
    await using house = await openHouse(await newFolder(), { size });
    await house.projects.put(smallProject);
    await feed(house, 'room', roomReadings(900));
    const execution = await ended(house, (await house.pipelines.begin('room', { actions: ['retrain'] })).id);
    const { best } = execution.steps.find((step) => step.name === 'search')!.outputs as { best: { run: string } };
    results.push({ ...best, run: '' });
  }
  expect(results[0]).toEqual(results[1]);
});
