// The power of emulated boards is cut at exact steps of their flash, a sample of them; bench/src/micro/power-cuts.ts takes every step.
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { createRandom, type Random } from '@sanderling/kit';
import { readElf } from '../boards/elf.ts';
import { boardNames, hasBoardTools, type BoardName } from '../boards/index.ts';
import { buildDevice } from './build.ts';
import { CutBench, type CutWork } from './cut-trial.ts';
import { cutWorks } from './cut-works.ts';
import { fillSettings } from './flash-content.ts';
import type { PowerCut } from './power-cut.ts';
import { startDevice } from './start.ts';

// Compilers, emulators and processes: on a busy machine they take long, and that is no failure.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const possible = await hasBoardTools();
if (!possible) console.log('skipped: power cuts of emulated boards (no qemu-system-arm, gcc-arm-none-eabi)');

const benches = new Map<BoardName, Promise<CutBench>>();
function benchOf(board: BoardName): Promise<CutBench> {
  const bench = benches.get(board) ?? CutBench.open(board);
  benches.set(board, bench);
  return bench;
}
afterAll(async () => {
  for (const bench of benches.values()) await (await bench)[Symbol.asyncDispose]();
});

describe.runIf(possible).each(boardNames)('the power of the %s is cut', (board) => {
  test.each(Object.values(cutWorks))(
    'and it comes back with a whole model and does the rest, nothing lost or doubled: $name',
    async (work) => {
      const bench = await benchOf(board);
      const whole = await bench.run(work, []);
      expect(whole).toMatchObject({ cuts: [], broken: [] });
      expect(whole.steps).toBeGreaterThan(100);
      const trials = sample(createRandom(17, `${board} ${work.name}`), whole.steps);
      const outcomes = await Promise.all(trials.map((cuts) => bench.run(work, cuts)));
      outcomes.forEach(({ broken, cuts: left }, i) => {
        expect({ cuts: trials[i], broken }).toEqual({ cuts: trials[i], broken: [] });
        expect(left.length).toBeGreaterThan(0);
      });
    },
  );
});

/** One cut as the driver leaves it, and two in a row that leave noise. */
const sample = (random: Random, steps: number): readonly (readonly PowerCut[])[] => [
  [{ at: random.int(1, steps) }],
  [
    { at: random.int(1, steps), seed: random.int(1, 1e9) },
    { at: random.int(1, 60), seed: random.int(1, 1e9) },
  ],
];

test.runIf(possible)('what was noted before three cuts in a row is told before the model is given up', async () => {
  const bench = await benchOf('m7');
  const work: CutWork = { ...cutWorks.dying, name: 'told late', arrange: (flash) => fillSettings(flash, 50) };
  const { steps } = await bench.run(work, []);
  // The first step behind the record that switches: from there on the event is being told.
  let [before, behind] = [1, steps];
  while (behind - before > 1) {
    const at = (before + behind) >> 1;
    const { cuts } = await bench.run(work, [{ at }]);
    if (cuts[0]?.active === 0 || (cuts[0]?.boots ?? 0) > 3) behind = at;
    else before = at;
  }
  // Each start writes a record of sixteen words, and then tells.
  for (const into of [2, 5]) {
    const telling = { at: 33 + into };
    const { broken, cuts } = await bench.run(work, [{ at: behind + into }, telling, telling]);
    expect(broken).toEqual([]);
    expect(cuts.map((left) => [left?.active, left?.probation])).toEqual([
      [0, true],
      [0, true],
      [0, true],
    ]);
  }
});

test.runIf(possible)('a firmware that was not built for it has nothing of it, and refuses to be cut', async () => {
  await using plain = await buildDevice('m7');
  const { symbols } = readElf(await readFile(plain.path));
  expect(symbols.map(({ name }) => name).filter((name) => name.startsWith('power_cut'))).toEqual([]);
  expect(symbols.map(({ name }) => name)).toContain('flash_program');
  const start = startDevice(plain, { flash: '/nowhere', port: 1, dieAt: 3 });
  await expect(start).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where: 'dieAt' });
});
