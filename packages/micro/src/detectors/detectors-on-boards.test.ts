import { detectorNames, detectors } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { boardNames, hasBoardTools } from '../boards/index.ts';
import {
  expected,
  firstDifference,
  generated,
  generatedForVectors,
  length,
  streams,
  vectorStream,
} from './made-streams.ts';
import { boardStreams } from './run-on-board.ts';

const tools = await hasBoardTools();
if (!tools) console.log('skipped: detectors on emulated boards, for want of qemu-system-arm, gcc-arm-none-eabi');

/** A share by which the evidence may differ: log, exp, cos and cbrt of the C libraries round the last bit differently. */
const lastBits = 1e-9;

/** The streams of vectors are long for a core without double precision: the whole of them runs in bench/src/micro/detectors.ts. */
const shorter = 1500;

describe.runIf(tools)('detectors in C on emulated boards', () => {
  const scalar = detectorNames.flatMap((name, detector) => {
    const { input } = detectors[name];
    return [
      streams.moving(input, createRandom(3, 'moving')),
      streams.hostile(input, createRandom(3)).slice(0, shorter),
    ].map((samples) => ({ detector, samples, want: expected({ detector: name }, samples) }));
  });
  const vector = generatedForVectors.map(({ face }, i) => {
    const { samples, want } = vectorStream(i);
    const detector = detectorNames.length + i;
    return {
      detector,
      samples: samples.slice(0, shorter * face.dimensions),
      want: { flags: want.flags.slice(0, shorter), evidence: want.evidence.slice(0, shorter) },
    };
  });

  test.each(boardNames)(`decide on %s as packages/drift on streams of ${length} samples`, async (board) => {
    const made = [...generated.slice(0, detectorNames.length), ...generatedForVectors];
    const given = [...scalar, ...vector];
    const said = await boardStreams(board, made, given);
    for (const [i, { detector, want }] of given.entries()) {
      const { prefix } = made[detector]!.face;
      expect([prefix, firstDifference(said[i]!.flags, want.flags)]).toEqual([prefix, -1]);
      expect([prefix, firstDifference(said[i]!.evidence, want.evidence, lastBits)]).toEqual([prefix, -1]);
    }
  });
});
