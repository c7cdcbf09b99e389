import { detectors } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasCompiler } from '../host.ts';
import {
  expected,
  firstDifference,
  generated,
  generatedForVectors,
  length,
  steadyVectors,
  streams,
  variants,
  vectorStream,
} from './made-streams.ts';
import { hostStreams, type StreamRunner } from './run-streams.ts';

const compiler = await hasCompiler();
if (!compiler) console.log('skipped: detectors in C, there is no gcc here');

describe.runIf(compiler)('detectors in C on this machine', () => {
  let host: Awaited<ReturnType<typeof hostStreams>>;
  let run: StreamRunner;
  beforeAll(async () => {
    host = await hostStreams(generated);
    run = host.run;
  });
  afterAll(() => host[Symbol.asyncDispose]());

  for (const [i, variant] of variants.entries()) {
    const { input } = detectors[variant.detector];
    test(`${generated[i]!.face.prefix} decides as packages/drift on ${length} samples of every kind`, async () => {
      let alarms = 0;
      for (const [kind, make] of Object.entries(streams)) {
        for (const seed of kind === 'moving' ? [1, 2] : [1]) {
          const samples = make(input, createRandom(seed, kind));
          const [want, got] = [expected(variant, samples), await run(i, samples)];
          expect(firstDifference(got.flags, want.flags), `${kind} ${seed}`).toBe(-1);
          expect(firstDifference(got.evidence, want.evidence, 1e-12), `${kind} ${seed}`).toBe(-1);
          alarms += want.flags.filter((flags) => (flags & 1) === 1).length;
        }
      }
      // Streams on which nothing ever happens would prove nothing.
      expect(alarms).toBeGreaterThan(5);
    });
  }
});

describe.runIf(compiler)('detectors of vectors in C on this machine', () => {
  let host: Awaited<ReturnType<typeof hostStreams>>;
  beforeAll(async () => {
    host = await hostStreams(generatedForVectors);
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  for (const [i, { face }] of generatedForVectors.entries()) {
    test(`${face.prefix} decides as packages/drift on ${length} vectors`, async () => {
      const { samples, want } = vectorStream(i);
      const got = await host.run(i, samples);
      expect(firstDifference(got.flags, want.flags)).toBe(-1);
      expect(firstDifference(got.evidence, want.evidence, 1e-9)).toBe(-1);
      expect([1, 2, 4].map((bit) => want.flags.some((flags) => (flags & bit) !== 0))).toEqual([true, true, true]);
      expect(want.flags.slice(0, steadyVectors).filter((flag) => flag === 1).length).toBeLessThan(steadyVectors - 100);
    });
  }
});
