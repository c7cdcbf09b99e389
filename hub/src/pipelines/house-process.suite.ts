// Run as a process by crash.test.ts: a learning hub on a folder that works until its newest execution has ended and its roll-out too, if there is one.
import { openHouse, obey } from '../learning.suite.ts';

const [folder, device] = process.argv.slice(2) as [string, string];
const house = await openHouse(folder);
const stop = new AbortController();
process.on('disconnect', () => process.exit(1));
const device1 = obey(house, device, { signal: stop.signal });
for (;;) {
  const [execution] = (await house.pipelines.list({ limit: 1 })).items;
  const [rollout] = (await house.rollouts.list('room', { limit: 1 })).items;
  if (execution?.endedAt != null && (execution.state !== 'succeeded' || rollout?.endedAt != null)) break;
  await house.clock.sleep(20);
}
stop.abort();
await device1;
await house[Symbol.asyncDispose]();
process.send?.('done', () => process.exit(0));
