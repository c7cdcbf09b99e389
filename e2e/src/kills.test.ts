// kill -9 at random moments of the whole loop: it completes, nothing acknowledged is missing or doubled, the device always has a working model.
import { createRandom } from '@sanderling/kit';
import { afterEach, expect, test } from 'vitest';
import type { ProjectInput } from '@sanderling/wire';
import { allReadings, eventually, openHouse, restartHub, type House } from './house.ts';

const project: ProjectInput = {
  name: 'cellar',
  data: { quantity: 'temperature', unit: '°C', newest: 3000 },
  model: { kind: 'forecaster', horizon: 6 },
  search: {
    trials: 6,
    population: 3,
    epochs: 4,
    patience: 2,
    space: { cell: 'gru', hidden: { type: 'int', low: 8, high: 16 }, window: 24, batch: 64 },
  },
  gates: [{ gate: 'beats-baseline', baseline: 'persistence', byPercent: 1 }],
  targets: ['linux-x64', 'linux-arm64', 'darwin-x64', 'win-x64'],
  rollout: { probation: { predictions: 5, minutes: 5, maxErrorRatio: 50 } },
};

const minutes = 60_000;
const start = Date.UTC(2026, 0, 1);

/** A warm and cold day every 144 readings, with a little noise; every reading is different. */
function readings(from: number, count: number): string {
  const random = createRandom(1, `readings ${from}`);
  const line = (i: number): string =>
    JSON.stringify({
      time: start + i * 10 * minutes,
      value: 20 + 3 * Math.sin((2 * Math.PI * i) / 144) + 0.05 * random.normal(),
    });
  return `${Array.from({ length: count }, (_, i) => line(from + i)).join('\n')}\n`;
}

let house: House | undefined;
afterEach(async () => {
  await house?.stop();
  house = undefined;
});

async function expectExactlyOnce(opened: House, count: number): Promise<void> {
  const stored = await eventually(
    () => allReadings(opened.client, opened.project),
    (all) => all.length >= count,
  );
  const times = stored.map((reading) => reading.time).toSorted((a, b) => a - b);
  expect(times).toEqual(Array.from({ length: count }, (_, i) => start + i * 10 * minutes));
}

test('the hub is killed during ingest, search, release and roll-out', { timeout: 8 * minutes }, async () => {
  house = await openHouse(project);
  const random = createRandom(Date.now());
  const killSoon = async (opened: House): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, random.uniform(0, 900)));
    await restartHub(opened);
  };
  for (let part = 0; part < 5; part++) {
    await house.agent.write(readings(part * 500, 500));
    await killSoon(house);
  }
  await expectExactlyOnce(house, 2500);

  const { client } = house;
  const execution = await client.train(house.project);
  for (let kill = 0; kill < 6; kill++) await killSoon(house);
  const ended = await eventually(
    () => client.execution(execution.id),
    ({ state }) => state !== 'queued' && state !== 'running',
  );
  expect(ended).toMatchObject({ state: 'succeeded' });
  const [experiment] = (await client.experiments(house.project)).items;
  const trials = (await client.runs(experiment!.id, { limit: 100 })).items.filter(
    (run) => run.parent !== null && run.name !== 'refit' && run.state === 'finished',
  );
  expect(trials).toHaveLength(6);

  let sent = 2500;
  const feeding = setInterval(() => void house?.agent.write(readings((sent += 10) - 10, 10)), 50);
  try {
    const active = await eventually(
      () => client.devices(),
      ({ items }) => items[0]?.active !== null && items[0]?.update?.stage === 'active',
    );
    const releases = (await client.releases(house.project)).items;
    expect(releases.map((release) => release.digest)).toContain(active.items[0]!.active);
    await eventually(
      () => client.rollouts(house!.project),
      ({ items }) => items[0]?.state === 'succeeded',
    );
  } finally {
    clearInterval(feeding);
  }
  await expectExactlyOnce(house, sent);
});

test('the device lives for days without the hub and delivers everything when it is back', {
  timeout: 4 * minutes,
}, async () => {
  house = await openHouse(project);
  await house.agent.write(readings(0, 300));
  await expectExactlyOnce(house, 300);
  await house.hub.kill('SIGKILL');
  await house.agent.write(readings(300, 1500));
  await house.agent.line((line) => line['type'] === 'stored' && Number(line['readings']) >= 1800);
  await house.agent.kill('SIGKILL');
  house.agent.start();
  house.hub.start();
  await expectExactlyOnce(house, 1800);
});
