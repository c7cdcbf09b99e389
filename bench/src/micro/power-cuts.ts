// The power of a microcontroller goes at every step of its flash: on the emulated boards with the firmware as it is, and on this machine with larger images.
// Run: node bench/src/micro/power-cuts.ts [EVERY=1]; with EVERY above 1 a sample, and no results are written.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createRandom, type Random } from '@sanderling/kit';
import { boardNames, boards, buildDevice, hasBoardTools, type BoardName } from '@sanderling/micro';
import { CutBench, cutWorks, type CutOutcome, type CutWork, type PowerCut } from '@sanderling/micro/testing';

const every = Number(process.argv[2] ?? 1);
const run = promisify(execFile);
const broken: string[] = [];

/** What all trials of one work came to. */
class Sum {
  trials = 0;
  cuts = 0;
  torn = 0;
  old = 0;
  fresh = 0;
  broken = 0;

  add({ cuts, broken: promises }: CutOutcome, torn: boolean): void {
    this.trials += 1;
    this.cuts += cuts.length;
    if (torn) this.torn += cuts.length;
    for (const left of cuts) {
      if (left?.active === 1) this.old += 1;
      if (left?.active === 0) this.fresh += 1;
    }
    if (promises.length > 0) this.broken += 1;
  }
}

/** Trials of a board that run at a time: they mostly wait for each other's ends. */
const lanes = 3;

/** Every step as the driver leaves it, every second one with noise in what is in work, and every tenth with a second cut while it recovers. */
function trialsOf(steps: number, random: Random): readonly (readonly PowerCut[])[] {
  const trials: (readonly PowerCut[])[] = [];
  const seed = (): number => random.int(1, 1e9);
  for (let at = 1; at <= steps; at += every) {
    trials.push([{ at }]);
    if (random.next() < 0.5) trials.push([{ at, seed: seed() }]);
    if (random.next() < 0.1) trials.push([{ at, seed: seed() }, { at: random.int(1, 80) }]);
  }
  return trials;
}

async function cutEverywhere(bench: CutBench, work: CutWork): Promise<string> {
  const { steps } = await bench.run(work, []);
  const sum = new Sum();
  const trials = trialsOf(steps, createRandom(5, `${bench.board} ${work.name}`)).values();
  const lane = async (): Promise<void> => {
    for (const cuts of trials) {
      const outcome = await bench.run(work, cuts);
      sum.add(outcome, cuts[0]!.seed !== undefined);
      for (const promise of outcome.broken)
        broken.push(`${bench.board}, ${work.name}, ${JSON.stringify(cuts)}: ${promise}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const row = [
    boards[bench.board].title,
    work.name,
    steps,
    sum.trials,
    sum.cuts,
    sum.torn,
    sum.old,
    sum.fresh,
    sum.broken,
  ];
  console.log(row.join(' | '));
  return `| ${row.join(' | ')} |`;
}

async function cutBoard(board: BoardName): Promise<readonly string[]> {
  await using bench = await CutBench.open(board);
  const rows: string[] = [];
  for (const work of Object.values(cutWorks)) rows.push(await cutEverywhere(bench, work));
  return rows;
}

async function onBoards(): Promise<readonly string[]> {
  const rows = await Promise.all(boardNames.map(cutBoard));
  return [
    '## Emulated boards',
    '',
    'QEMU runs the firmware of devices; at one step of a flash operation the machine stops inside the driver: before, in the middle of and after each 32-byte word, five times within an erase. QEMU ends, and is started again with the flash file as it is. Every step is cut with what was in work as the driver left it; half of the steps, drawn by a seed, again with noise in it; a tenth again with noise and with a second cut within the first 80 steps of the next start.',
    '',
    'After each cut the file is read from outside: sound settings with the same device, key and outbox, a floor that has not sunk, an image in the active slot that is byte for byte one that was made. After the restart: the model in charge is whole, the work goes on and ends, each reading has arrived once and in order, each report is of one model, each event was told once. In the outbox that goes round, what is in the ring and what it counts as lost is together all that was taken.',
    '',
    '| board | work | steps of the flash | trials | cuts | of them in trials with noise | cuts with slot B in charge | with slot A | trials with a broken promise |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows.flat(),
    '',
    'Slot B holds the old model and slot A the new one, or, where the hub orders a return, the one that it wants back.',
    '',
  ];
}

const hostTrials: readonly (readonly [string, string])[] = [
  ['update of 2 kB with readings', `update 2000 ${every}`],
  ['the same, noise in what was in work', `update 2000 ${every} torn`],
  ['update of 20 kB with readings', `update 20000 ${every}`],
  ['update of 20 kB, noise, a second cut while it recovers, every 5th step', `update 20000 ${5 * every} torn again`],
  ['update of 140 kB (two sectors)', `freeze 140000 ${every}`],
  ['the same, noise, every 5th step', `freeze 140000 ${5 * every} torn`],
  ['the outbox goes round with alarms in it', `ring ${every}`],
  ['the same, noise', `ring ${every} torn`],
  ['the same, no hub has been heard since the start', `ring ${every} alone`],
];

async function onThisMachine(): Promise<readonly string[]> {
  await using program = await buildDevice('host', { program: 'cuts.c' });
  const rows: string[] = [];
  for (const [what, words] of hostTrials) {
    const { stdout } = await run(program.path, words.split(' '));
    const [, steps, cuts] = /steps (\d+), cuts (\d+), all finished/.exec(stdout) ?? [];
    if (steps === undefined) broken.push(`${what}: ${stdout}`);
    rows.push(`| ${what} | ${steps} | ${cuts} | all |`);
    console.log(rows.at(-1));
  }
  return [
    '## This machine',
    '',
    'The same firmware as a process. `update`, `ring`: a process does the work and kills itself (SIGKILL) at a step, another one starts from what is left, looks at the active model, and finishes. 140 kB: one process does the work and is held at each step, and another one, which has never run a device, goes on from a copy of the flash and of the hub’s disk, so that nothing is done twice.',
    '',
    '| work | steps | cuts | came back with a sound model and finished, nothing lost or doubled |',
    '|---|---|---|---|',
    ...rows,
    '',
  ];
}

const possible = await hasBoardTools();
if (!possible) console.log('skipped: emulated boards (no qemu-system-arm, gcc-arm-none-eabi)');
const lines = [...(possible ? await onBoards() : []), ...(await onThisMachine())];
for (const promise of broken) console.error(`broken: ${promise}`);
const text = ['# Power cuts of a microcontroller', '', '`node bench/src/micro/power-cuts.ts`', '', ...lines].join('\n');
if (broken.length === 0 && every === 1 && possible)
  await writeFile(new URL('../../results/micro-power-cuts.md', import.meta.url), text);
process.exitCode = broken.length === 0 ? 0 : 1;
