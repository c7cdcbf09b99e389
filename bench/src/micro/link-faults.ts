// The microcontroller's link under faults, kills and hostile frames; and how fast it is on the emulated boards. Power cuts at exact steps: power-cuts.ts.
// Run: node bench/src/micro/link-faults.ts [FRAMES=12000] [FUZZED=400000] [KILLS=25]
import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createRandom } from '@sanderling/kit';
import {
  boards,
  boardNames,
  buildDevice,
  hasBoardTools,
  provisionFlash,
  startDevice,
  type BoardName,
} from '@sanderling/micro';
import {
  boardImage,
  faultNames,
  faultOptions,
  faultTrial,
  faultyStream,
  hostRelease,
  TestHub,
  type FaultTrial,
} from '@sanderling/micro/testing';

const [frames, fuzzed, kills] = [2, 3, 4].map((at, i) => Number(process.argv[at] ?? [12_000, 400_000, 25][i])) as [
  number,
  number,
  number,
];
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'link-bench-'));
const lines: string[] = [];
let ok = true;

function check(what: string, fine: boolean): void {
  if (!fine) console.error(`broken: ${what}`);
  ok &&= fine;
}

async function newFlash(name: string, board: BoardName | 'host', hub: TestHub): Promise<string> {
  const [flash, key] = [join(folder, `${name}.bin`), randomBytes(32)];
  hub.keys.set(`dev_${name}`, key);
  await provisionFlash(flash, board, { device: `dev_${name}`, key });
  return flash;
}

async function faultRun(seed: number, rate: number): Promise<readonly [FaultTrial, readonly number[]]> {
  await using program = await buildDevice('host', {
    defines: { LINK_UNIT_MS: '40u', FRAME_SILENCE_MS: '20u', DEVICE_REPORT_MS: '50u' },
  });
  const faults = faultOptions(seed, rate, 40);
  const link = { answerMs: 40, longAnswerMs: 80, attempts: 12, interByteMs: 20, knockMs: 100, helloMs: 60_000 };
  await using hub = await TestHub.listen({ link, wrap: (socket) => faultyStream(socket, faults) });
  await using _device = await startDevice(program, {
    flash: await newFlash(`faults_${seed}`, 'host', hub),
    port: hub.port,
  });
  const trial = await faultTrial(hub, faults, frames / 3);
  return [trial, faultNames.map((name) => faults.counts.faults[name])];
}

async function faults(): Promise<void> {
  lines.push(
    '## Faults',
    '',
    `A proxy between hub and device (a process of this machine) harms frames in both directions while readings are fed and models updated, good ones and altered ones.`,
    '',
  );
  lines.push(
    `| seed | share harmed | frames | ${faultNames.join(' | ')} | readings, each once | updates | refused | hellos | broken promises |`,
  );
  lines.push(`|---|---|---|${faultNames.map(() => '---|').join('')}---|---|---|---|---|`);
  for (const [seed, rate] of [
    [1, 0.05],
    [2, 0.1],
    [3, 0.15],
  ] as const) {
    const [trial, counts] = await faultRun(seed, rate);
    for (const broken of trial.broken) check(broken, false);
    const { readings, updates, refused, hellos, broken } = trial;
    lines.push(
      `| ${seed} | ${rate * 100} % | ${trial.frames} | ${counts.join(' | ')} | ${readings} | ${updates} | ${refused} | ${hellos} | ${broken.length} |`,
    );
    console.log(lines.at(-1));
  }
}

async function fuzz(): Promise<void> {
  await using program = await buildDevice('host', { program: 'fuzz.c', sanitize: true });
  const seeds = [11, 12, 13, 14];
  const outs: string[] = [];
  for (const seed of seeds)
    outs.push((await run(program.path, [String(seed), String(Math.ceil(fuzzed / seeds.length))])).stdout.trim());
  lines.push(
    '',
    '## Fuzzing',
    '',
    'Random bytes, sealed requests with anything in them, requests with one bit wrong, frames flipped, cut, doubled and replayed, handshake frames of noise; AddressSanitizer and UndefinedBehaviorSanitizer; every 500 frames a hello, a status and a whole update must succeed. No finding.',
    '',
  );
  lines.push(...outs.map((out, i) => `- seed ${seeds[i]}: ${out}`));
  console.log(outs.join('\n'));
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function boardRun(board: BoardName): Promise<void> {
  await using program = await buildDevice(board);
  await using hub = await TestHub.listen({ link: { interByteMs: 500, knockMs: 200 } });
  const flash = await newFlash(board, board, hub);
  const image =
    (sequence: number, ballast: number) =>
    ({ address }: { readonly address: number }) =>
      boardImage({ board, slotAddress: address, sequence, ballast });
  const slotAddress = boards[board].slots.b;
  const later = [
    await boardImage({ board, slotAddress, sequence: 2, ballast: 60_000 }),
    await boardImage({ board, slotAddress, sequence: 3, ballast: 60_000 }),
  ];
  let device = await startDevice(program, { flash, port: hub.port });
  const first = await hub.persist((session) => session.update(image(1, 0)));
  await hub.persist((session) => session.activate({ slot: first, predictions: 1 }));
  let clock = Date.UTC(2026, 0, 1);
  const some = (count: number) => Array.from({ length: count }, (_, i) => ({ time: (clock += 1000), value: i % 30 }));
  await hub.persist((session) => session.feed(some(2)));
  const random = createRandom(board);
  let [broken, halfway, which, fed] = [0, 0, 0, 2];
  for (let kill = 0; kill < kills; kill++) {
    const stop = new AbortController();
    const cut = (): void => {
      void device.kill();
      stop.abort();
    };
    // By time, which also hits the hello before the update and what follows it; or where the update stands.
    const timer = setTimeout(cut, kill % 2 === 0 ? random.int(5, 90) : 5000);
    const at = kill % 2 === 0 ? Number.POSITIVE_INFINITY : random.int(0, 59_000);
    const onProgress = (done: number): void => void (done > at && cut());
    const killed = hub.persist((session) => session.update(() => later[which]!, { signal: stop.signal, onProgress }));
    await killed.catch(() => undefined);
    clearTimeout(timer);
    await device.kill();
    device = await startDevice(program, { flash, port: hub.port });
    const info = await hub.persist((session) => session.status());
    if (info.active !== 0 || info.slots[0].state !== 'ready') broken += 1;
    if (info.slots[1].state === 'partial') halfway += 1;
    // What has arrived whole would not be sent again.
    if (info.slots[1].release === hostRelease(2 + which)) which = 1 - which;
    await hub.persist((session) => session.feed(some(3)));
    fed += 3;
  }
  const session = await hub.session();
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    await session.status();
    times.push(performance.now() - began);
  }
  const beganUpdate = performance.now();
  const slot = await session.update(image(4, 100_000));
  const rate = 100 / ((performance.now() - beganUpdate) / 1000);
  await session.activate({ slot, predictions: 1 });
  const beganFeed = performance.now();
  await session.feed(some(1000));
  fed += 1000;
  await hub.until((entries) => entries.filter(({ kind }) => kind === 'reading').length >= fed, 60_000);
  const feedRate = 1000 / ((performance.now() - beganFeed) / 1000);
  const entries = hub.entries.filter(({ kind }) => kind === 'reading');
  check(`${board}: ${entries.length} readings of ${fed}`, entries.length === fed);
  check(`${board}: ${broken} starts without a sound model`, broken === 0);
  await device.kill();
  lines.push(
    `| ${boards[board].title} | ${kills} | ${halfway} | ${broken} | ${fed} | ${median(times).toFixed(1)} ms | ${rate.toFixed(0)} kB/s | ${feedRate.toFixed(0)} |`,
  );
  console.log(lines.at(-1));
}

try {
  await faults();
  await fuzz();
  if (await hasBoardTools()) {
    lines.push(
      '',
      '## Emulated boards',
      '',
      'QEMU is killed at a random moment of an update (60 kB), the flash kept in a file, and started again. Times are wall times of an emulator on a shared machine: what they say of silicon is only that the protocol needs no long silences.',
      '',
    );
    lines.push(
      '| board | kills | update half done | without a sound model afterwards | readings, each once | status, median | update, 100 kB | readings fed and back a second |',
      '|---|---|---|---|---|---|---|',
    );
    for (const board of boardNames) await boardRun(board);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
const text = ['# The microcontroller’s link', '', '`node bench/src/micro/link-faults.ts`', '', ...lines, ''].join('\n');
if (ok && frames >= 10_000 && fuzzed >= 100_000)
  await writeFile(new URL('../../results/micro-link.md', import.meta.url), text);
process.exitCode = ok ? 0 : 1;
