import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { detectorSuite } from './detector.suite.ts';
import { createDetector, detectorNames, detectors, restoreDetector } from './detectors.ts';

interface Fixture {
  readonly streams: Readonly<Record<string, readonly number[]>>;
  readonly documented: readonly (readonly [string, string, Record<string, number>, number[], number[] | null])[];
  readonly definitions: readonly { readonly bits: string; readonly alarms: Readonly<Record<string, number[]>> }[];
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/scalar.json', import.meta.url), 'utf8')) as Fixture;

for (const name of detectorNames) detectorSuite(name, detectors[name]);

describe('the same alarms as others', () => {
  it.each(fixture.documented)('%s: %s %j alarms at %j as river documents', (...row) => {
    const [stream, name, options, alarms, warnings] = row;
    const detector = createDetector(name, options);
    const seen: number[] = [];
    const warned: number[] = [];
    let quiet = true;
    (fixture.streams[stream] as number[]).forEach((x, i) => {
      detector.update(x);
      if (detector.warningDetected && quiet) warned.push(i);
      if (detector.warningDetected) quiet = false;
      if (!detector.driftDetected) return;
      seen.push(i);
      quiet = true;
      // river starts ADWIN anew after an alarm; the paper, and so ours, keeps the newer part of the window.
      if (name === 'adwin') detector.reset();
    });
    expect(seen).toEqual(alarms);
    if (warnings !== null) expect(warned).toEqual(warnings);
  });

  const cases = fixture.definitions.flatMap(({ bits, alarms }, index) =>
    Object.entries(alarms).map(([what, wanted]) => [index, what, bits, wanted] as const),
  );
  it.each(cases)('stream %i: %s as the paper’s formulas on whole prefixes', (_index, what, bits, wanted) => {
    const space = what.indexOf(' ');
    const detector = createDetector(what.slice(0, space), JSON.parse(what.slice(space)) as Record<string, number>);
    const seen = bits.split('').flatMap((bit, i) => {
      detector.update(Number(bit));
      return detector.driftDetected ? [i] : [];
    });
    expect(seen).toEqual(wanted);
  });
});

describe('the table', () => {
  it('names the detectors it has when asked for one it has not', () => {
    expect(() => createDetector('magic')).toThrow(/no detector “magic”/);
    expect(() => createDetector('toString')).toThrow(/no detector/);
  });

  it('refuses options that contradict each other', () => {
    expect(() => createDetector('kswin', { windowSize: 50, statSize: 30 })).toThrow(/more than half/);
    expect(() => createDetector('kswin', { statSize: 3, windowSize: 10, alpha: 1e-6 })).toThrow(/can reach this alpha/);
    expect(() => createDetector('hddm-w', { lambda: 0.3, alphaDrift: 1e-8 })).toThrow(/could ever alarm/);
    expect(() => createDetector('ddm', { warningLevel: 4 })).toThrow(/above driftLevel/);
    expect(() => createDetector('eddm', { alpha: 0.5 })).toThrow(/below beta/);
  });

  it('does not take the state of one detector for another', () => {
    const state = createDetector('ddm').state();
    expect(() => createDetector('eddm').restore(state)).toThrow(/not a state of eddm/);
    expect(() => restoreDetector({ ...state, detector: 'eddm', options: {} })).toThrow(/not a state of eddm/);
  });
});
