// The series of the accuracy study: real rooms where the shared data is at hand, and the simulation.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readReadings, type Reading } from '@sanderling/series';

const shared = process.env['SANDERLING_SHARED'] ?? join(import.meta.dirname, '../../../../shared');

/** Where the readings of a name come from. */
export interface SeriesSource {
  readonly name: string;
  readonly about: string;
  readonly unit: string;
  load(): Promise<Reading[]>;
}

const file =
  (set: string, ...paths: string[]) =>
  async (): Promise<Reading[]> => {
    const folder = join(execFileSync(join(shared, 'tools/data'), [set], { encoding: 'utf8' }).trim(), set);
    const parts = await Promise.all(paths.map((path) => readReadings(join(folder, path))));
    return parts.flatMap(({ readings }) => readings);
  };

const simulator = join(import.meta.dirname, '../../../projects/temperature/src/room-table.ts');

const simulation = (seed: number, start: string, count: number) => async (): Promise<Reading[]> => {
  const wanted = ['--seed', `${seed}`, '--start', start, '--count', `${count}`];
  const table = execFileSync(process.execPath, [simulator, ...wanted], { maxBuffer: 1 << 26 });
  return (await readReadings(table, { limits: { latest: Infinity } })).readings;
};

const [winter, autumn] = ['2026-01-05', '2026-09-20'];

const files: readonly SeriesSource[] = [
  {
    name: 'ambient',
    about: 'office, hourly, 11 months (NAB)',
    unit: '°F',
    load: file('temperature-nab', 'data/realKnownCause/ambient_temperature_system_failure.csv'),
  },
  {
    name: 'occupancy 1',
    about: 'office, 1 min, 5.7 days',
    unit: '°C',
    load: file('temperature-occupancy', 'datatraining.txt'),
  },
  {
    name: 'occupancy 2',
    about: 'office, 1 min, 6.8 days',
    unit: '°C',
    load: file('temperature-occupancy', 'datatest2.txt'),
  },
  {
    name: 'occupancy',
    about: 'the three files together, 16 days with gaps',
    unit: '°C',
    load: file('temperature-occupancy', 'datatest.txt', 'datatraining.txt', 'datatest2.txt'),
  },
];

/** All series that can be had here. */
export const sources: readonly SeriesSource[] = [
  ...(existsSync(join(shared, 'tools/data')) ? files : []),
  {
    name: 'simulation',
    about: 'simulated room, 10 min, 49 days of winter',
    unit: '°C',
    load: simulation(1, winter, 7000),
  },
  {
    name: 'simulation, autumn',
    about: 'simulated room, 10 min, 49 days',
    unit: '°C',
    load: simulation(2, autumn, 7000),
  },
  {
    name: 'simulation, short',
    about: 'simulated room, 10 min, 14 days',
    unit: '°C',
    load: simulation(3, winter, 2016),
  },
];
