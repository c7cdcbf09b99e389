// A checkpoint when the power goes or the disk is full: what was good stays, and the training goes on as if nothing had happened.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createRandom } from '@sanderling/kit';
import { expect, onTestFinished, test } from 'vitest';
import { fit } from './fit.ts';
import { resultDigest, smallTraining } from './fixtures/training.ts';

const program = join(import.meta.dirname, 'fixtures', 'training.ts');

/** Runs the program and kills it some milliseconds after some epochs; gives the digest that it printed, if it came to that. */
async function trained(
  path: string,
  kill?: { readonly epochs: number; readonly wait: number },
): Promise<string | undefined> {
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (kill !== undefined && text.split('epoch\n').length > kill.epochs)
      void wait(kill.wait).then(() => child.kill('SIGKILL'));
  });
  await once(child, 'close');
  return /[0-9a-f]{64}/.exec(text)?.[0];
}

test('killed at random moments, again and again, it ends with the bytes of a training that never stopped', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'train-kill-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'training.checkpoint');
  const whole = resultDigest(await fit(smallTraining));
  const random = createRandom(1, 'kills');
  for (let kills = 0; kills < 5; kills += 1) {
    expect(await trained(path, { epochs: random.int(1, 3), wait: random.uniform(0, 8) })).toBeUndefined();
    await expect(stat(path)).resolves.toBeDefined();
  }
  expect(await trained(path)).toBe(whole);
}, 90_000);

const ran = (program: string, args: readonly string[]) => execFileSync(program, args, { stdio: 'pipe' });

test('a full disk ends the training with DISK_FULL; the checkpoint before it stays, and goes on once there is room', async ({
  skip,
}) => {
  const disk = await mkdtemp(join(tmpdir(), 'train-small-disk-'));
  try {
    ran('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
  } catch (error) {
    const [reason] = String((error as Error).message).split('\n');
    console.warn(`skipped: a small file system cannot be mounted here (${reason}); needs root`);
    await rm(disk, { recursive: true });
    skip();
    return;
  }
  onTestFinished(async () => {
    ran('umount', ['-l', disk]);
    await rm(disk, { recursive: true });
  });
  const path = join(disk, 'training.checkpoint');
  const ballast = join(disk, 'ballast');
  let good: Buffer | undefined;
  const broken = fit({
    ...smallTraining,
    checkpoint: { path },
    onEpoch: ({ epoch }) => {
      if (epoch !== 5) return;
      good = readFileSync(path);
      try {
        writeFileSync(ballast, Buffer.alloc(2 << 20));
      } catch {
        // It is full now: that is the point.
      }
    },
  });
  await expect(broken).rejects.toMatchObject({ code: 'DISK_FULL', where: path });
  expect((await readFile(path)).equals(good as Buffer)).toBe(true);
  expect((await readdir(disk)).sort()).toEqual(['ballast', 'training.checkpoint']);
  await rm(ballast);
  expect(resultDigest(await fit({ ...smallTraining, checkpoint: { path } }))).toBe(
    resultDigest(await fit(smallTraining)),
  );
});
