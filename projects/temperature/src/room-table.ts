// Writes readings of the simulated room as a table, to look at or to feed to another program:
// npm run -w @sanderling/project-temperature --silent room -- --count 7000 --seed 1 [--start 2026-01-05] [--step-minutes 10] [--change NAME --after COUNT]
import { parseArgs } from 'node:util';
import { toSanderlingError } from '@sanderling/kit';
import { roomChangeNames, type RoomChange } from './room-changes.ts';
import { simulateRoom } from './room.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '7000' },
    seed: { type: 'string', default: '1' },
    start: { type: 'string', default: '2026-01-05' },
    'step-minutes': { type: 'string', default: '10' },
    change: { type: 'string' },
    after: { type: 'string', default: '0' },
  },
});

try {
  const stepMs = Number(values['step-minutes']) * 60_000;
  const start = Date.parse(values.start);
  const room = simulateRoom({ seed: Number(values.seed), start, stepMs });
  if (values.change !== undefined) room.change(values.change as RoomChange, start + Number(values.after) * stepMs);
  process.stdout.write('time,temperature_C\n');
  for (let i = 0; i < Number(values.count); i++) {
    const { time, value } = room.read();
    process.stdout.write(`${new Date(time).toISOString()},${value}\n`);
  }
} catch (thrown) {
  const error = toSanderlingError(thrown);
  process.stderr.write(
    `${error.message}${error.fix === undefined ? '' : `; ${error.fix}`}\nchanges: ${roomChangeNames.join(', ')}\n`,
  );
  process.exitCode = error.row.exit;
}
