import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { hasCompiler } from '../host.ts';
import { buildDevice } from './build.ts';
import { faultTrial } from './fault-trial.ts';
import { faultNames, faultOptions, faultyStream } from './faulty-stream.ts';
import { provisionFlash } from './provision.ts';
import { startDevice } from './start.ts';
import { TestHub } from './test-hub.ts';

// Compilers, emulators and processes: on a busy machine they take long, and that is no failure.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const possible = await hasCompiler();
if (!possible) console.log('skipped: the device behind a bad link (no C compiler)');

test.runIf(possible)(
  '2,000 frames over a link that drops, flips, doubles, swaps, cuts, stalls and disconnects',
  async () => {
    await using program = await buildDevice('host', {
      defines: { LINK_UNIT_MS: '40u', FRAME_SILENCE_MS: '20u', DEVICE_REPORT_MS: '50u' },
    });
    const folder = await mkdtemp(join(tmpdir(), 'faults-test-'));
    const faults = faultOptions(1, 0.06, 40);
    const link = { answerMs: 40, longAnswerMs: 80, attempts: 12, interByteMs: 20, knockMs: 100, helloMs: 10_000 };
    await using hub = await TestHub.listen({ link, wrap: (socket) => faultyStream(socket, faults) });
    const key = randomBytes(32);
    hub.keys.set('dev_one', key);
    const flash = join(folder, 'flash.bin');
    await provisionFlash(flash, 'host', { device: 'dev_one', key });
    try {
      await using _device = await startDevice(program, { flash, port: hub.port });
      const trial = await faultTrial(hub, faults, 2000);
      expect(trial.broken).toEqual([]);
      expect(trial.updates).toBeGreaterThan(3);
      expect(trial.refused).toBeGreaterThan(3);
      for (const name of faultNames) expect([name, faults.counts.faults[name]]).not.toEqual([name, 0]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
