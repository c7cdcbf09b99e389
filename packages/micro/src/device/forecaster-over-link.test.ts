import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { createRandom } from '@sanderling/kit';
import type { LinkEvent, LinkReport } from '@sanderling/wire';
import { buildModelImage, hasBoardTools } from '../boards/index.ts';
import { generatedRelease, troubledReadings } from '../forecaster/made-forecasters.ts';
import { referenceOutcomes } from '../forecaster/reference-forecaster.ts';
import { buildDevice } from './build.ts';
import { hostRelease } from './host-image.ts';
import { provisionFlash } from './provision.ts';
import { startDevice } from './start.ts';
import { TestHub } from './test-hub.ts';

// Compilers, emulators and processes: on a busy machine they take long, and that is no failure.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const possible = await hasBoardTools();
if (!possible) console.log('skipped: a forecaster over the link (no qemu-system-arm, gcc-arm-none-eabi)');

test.runIf(possible)(
  'an int8 GRU arrives over the link, tests itself, forecasts and raises the alarm as the predictor of larger devices does',
  async () => {
    const { release, generated } = await generatedRelease(6);
    let newest = 0;
    const readings = troubledReadings(release.preprocessing, 900, createRandom(6, 'link'), false).flatMap(
      ({ time, value }) => {
        if (time <= newest || !Number.isFinite(Math.fround(value))) return [];
        newest = time;
        return [{ time, value: Math.fround(value) }];
      },
    );
    const want = await referenceOutcomes(release, readings);
    await using program = await buildDevice('m7', { defines: { DEVICE_REPORT_MS: '0u' } });
    await using hub = await TestHub.listen({ link: { knockMs: 200 } });
    const folder = await mkdtemp(join(tmpdir(), 'forecaster-link-'));
    try {
      const [flash, key] = [join(folder, 'flash.bin'), randomBytes(32)];
      hub.keys.set('dev_gru', key);
      await provisionFlash(flash, 'm7', { device: 'dev_gru', key });
      await using _device = await startDevice(program, { flash, port: hub.port });
      const session = await hub.session();
      const slot = await session.update(({ address }) =>
        buildModelImage(
          { texts: generated.files },
          { board: 'm7', slot: address, sequence: 1, release: hostRelease(1) },
        ),
      );
      expect(await session.selfTest(slot)).toBeGreaterThan(0);
      await session.activate({ slot });
      expect(await session.feed(readings)).toBe(readings.length);
      await hub.until((entries) => entries.filter(({ kind }) => kind === 'reading').length === readings.length, 60_000);
      const status = await session.status();
      expect(status).toMatchObject({
        active: slot,
        probation: false,
        predictions: want.filter(({ forecast }) => forecast.length > 0).length,
      });
      const at = new Map(readings.map(({ time }, i) => [time, want[i]!]));
      const reports = hub.entries.filter((entry): entry is LinkReport => entry.kind === 'report');
      expect(reports.length).toBe(status.predictions);
      for (const { time, forecast, forecastFrom, driftScore } of reports) {
        const outcome = at.get(time)!;
        expect([forecastFrom, forecast.length]).toEqual([outcome.from, outcome.forecast.length]);
        outcome.forecast.forEach((value, step) => expect(forecast[step]).toBeCloseTo(value, 3));
        expect(driftScore).toBeCloseTo(outcome.verdict.score, 3);
      }
      const alarms = (type: string): number[] =>
        hub.entries
          .filter((entry): entry is LinkEvent => entry.kind === 'event' && entry.type === type)
          .map(({ time }) => time);
      const times = (alarm: string): number[] =>
        readings.filter((_, i) => want[i]!.alarm === alarm).map(({ time }) => time);
      expect(alarms('drift.alarm')).toEqual(times('raised'));
      expect(alarms('drift.over')).toEqual(times('over'));
      expect(times('raised').length).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
