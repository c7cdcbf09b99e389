// Whether a model fits a real part: linked against its memory map, bank by bank.
import { readFile } from 'node:fs/promises';
import { SanderlingError } from '@sanderling/kit';
import type { Generated } from '../generate.ts';
import { firmwareObjects, scriptFlags } from './build.ts';
import { readElf } from './elf.ts';
import { linkingMain } from './harness.ts';
import { compile, type BuildOptions, type Overflow } from './objects.ts';
import { targets, type TargetName } from './table.ts';

/** How full one bank is, in bytes. */
export interface BankUse {
  readonly bank: string;
  readonly holds: string;
  readonly used: number;
  readonly bytes: number;
}

/** What {@link linkBudget} finds. */
export interface Budget {
  readonly target: TargetName;
  readonly banks: readonly BankUse[];
}

/**
 * Links a model, with a firmware around it that has the link, the clock and a stack, against the memory of a real part. Nothing is run.
 * @throws TOO_LARGE naming each bank that is too small, by how much, what it holds and what to shrink (`details.overflows`); UNAVAILABLE; TIMEOUT; CANCELLED.
 */
export async function linkBudget(
  generated: Generated,
  target: TargetName,
  options: BuildOptions = {},
): Promise<Budget> {
  const { board, script, banks } = targets[target];
  const texts = { ...generated.files, 'linking-main.c': linkingMain(generated) };
  await using objects = await compile(board, { texts }, options);
  const path = await objects
    .link({ own: firmwareObjects, flags: scriptFlags(script, options), name: 'budget' })
    .catch((error: unknown) => {
      throw error instanceof SanderlingError && error.code === 'TOO_LARGE' ? explained(error, target) : error;
    });
  const { sections } = readElf(await readFile(path));
  const initial = sections.find(({ name }) => name === '.data')?.size ?? 0;
  const uses = banks.map(({ name, origin, bytes, holds }): BankUse => {
    const inside = sections.filter(
      ({ allocated, address }) => allocated && address >= origin && address < origin + bytes,
    );
    const used = inside.reduce((sum, { size }) => sum + size, 0);
    // What variables begin with lies in the flash too.
    return { bank: name, holds, used: used + (name === 'FLASH' ? initial : 0), bytes };
  });
  return { target, banks: uses };
}

function explained(error: SanderlingError, target: TargetName): SanderlingError {
  const { title, banks } = targets[target];
  const overflows = ((error.details?.['overflows'] ?? []) as readonly Overflow[]).map(({ bank, bytes }) => {
    const known = banks.find(({ name }) => name === bank);
    return { bank, bytes, size: known?.bytes, holds: known?.holds ?? 'data', shrink: known?.shrink };
  });
  const parts = overflows.map(
    ({ bank, bytes, size, holds }) =>
      `${bank} (${size === undefined ? '' : `${size / 1024} KiB, `}${holds}) is ${bytes} bytes too small`,
  );
  return new SanderlingError('TOO_LARGE', `the model does not fit the ${title}: ${parts.join('; ')}`, {
    where: overflows[0]?.bank ?? target,
    fix: overflows.map(({ bank, shrink }) => `${bank}: ${shrink ?? 'shrink the model'}`).join('; '),
    details: { overflows },
  });
}
