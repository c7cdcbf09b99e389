// Anchors, matching and suppression against their definitions, and a detector that learns to find squares.
import fc from 'fast-check';
import { openSession } from '@sanderling/onnx';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { fit } from '../fit/fit.ts';
import { detectionLoss } from '../losses/detection.ts';
import { detectorLevels, detectorNetwork } from '../networks/detector.ts';
import { adam } from '../optimisers/optimisers.ts';
import { cosine } from '../optimisers/schedules.ts';
import {
  anchorBoxes,
  anchorSides,
  decodeBox,
  encodeBox,
  matchAnchors,
  overlap,
  type Box,
  type LabelledBox,
} from './boxes.ts';
import { detectionsIn, withoutRepeats, type Detection } from './detections.ts';

const side = fc.double({ min: 0.02, max: 0.9, noNaN: true });
const box = fc.tuple(side, side, side, side).map(([x, y, w, h]): Box => [x, y, x + w, y + h]);
const anchors = anchorBoxes([
  {
    grid: [2, 3],
    shapes: [
      [0.2, 0.3],
      [0.5, 0.4],
    ],
  },
  { grid: [1, 1], shapes: [[0.9, 0.9]] },
]);

describe('boxes', () => {
  test('anchors lie in the middle of their cells, row by row', () => {
    expect(anchors.length).toBe((6 * 2 + 1) * 4);
    const rounded = (i: number) => Array.from(anchors.subarray(4 * i, 4 * i + 4), (x) => Math.round(x * 1e4) / 1e4);
    expect(rounded(0)).toEqual([0.1667, 0.25, 0.2, 0.3]);
    expect(rounded(11)).toEqual([0.8333, 0.75, 0.5, 0.4]);
    expect(rounded(12)).toEqual([0.5, 0.5, 0.9, 0.9]);
  });

  test('overlap of known boxes', () => {
    expect(overlap([0, 0, 2, 2], [1, 1, 3, 3])).toBeCloseTo(1 / 7, 12);
    expect(overlap([0, 0, 1, 1], [1, 0, 2, 1])).toBe(0);
  });

  test('decoding undoes encoding', () => {
    fc.assert(
      fc.property(box, fc.nat(12), (b, i) => {
        const back = decodeBox(anchors, i, encodeBox(anchors, i, b));
        for (const [k, x] of b.entries()) expect(back[k]).toBeCloseTo(x, 6);
      }),
    );
  });

  test('every object has an anchor, every matched anchor overlaps enough or is the best of its object', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ label: fc.nat(2), box }), { maxLength: 3 }), (objects: LabelledBox[]) => {
        const target = matchAnchors(anchors, objects, 0.5);
        const labels = Array.from({ length: 13 }, (_, i) => target[5 * i] as number);
        if (objects.length === 0) expect(labels.every((label) => label === 0)).toBe(true);
        for (const object of objects) {
          // Without an anchor of its own is only what overlaps none but those that other objects have.
          const near = labels.filter((_, i) => overlap(anchorSides(anchors, i), object.box) > 0);
          if (!near.includes(object.label + 1)) expect(near).not.toContain(0);
        }
        for (const [i, label] of labels.entries()) {
          const most = Math.max(0, ...objects.map((object) => overlap(anchorSides(anchors, i), object.box)));
          if (label === 0) expect(most).toBeLessThan(0.5);
          else expect(objects.map((object) => object.label + 1)).toContain(label);
        }
      }),
    );
  });

  test('two objects of which both overlap one anchor most get one each', () => {
    const objects: LabelledBox[] = [
      { label: 0, box: [0.1, 0.1, 0.3, 0.35] },
      { label: 1, box: [0.07, 0.1, 0.27, 0.4] },
    ];
    const target = matchAnchors(anchors, objects, 0.99);
    const labels = Array.from({ length: 13 }, (_, i) => target[5 * i] as number);
    expect(new Set(labels)).toEqual(new Set([0, 1, 2]));
    expect(labels[0]).toBe(2);
  });

  test.each([
    ['a box without width', { label: 0, box: [0.5, 0.1, 0.5, 0.9] }],
    ['a box turned round', { label: 0, box: [0.9, 0.9, 0.1, 0.1] }],
    ['a box of NaN', { label: 0, box: [Number.NaN, 0, 1, 1] }],
    ['a class below zero', { label: -1, box: [0, 0, 1, 1] }],
  ] as const)('refuses %s', (_, object) => {
    expect(() => matchAnchors(anchors, [object])).toThrow(expect.objectContaining({ code: 'INVALID_DATA' }));
  });

  test('of overlapping boxes of a class the best stays', () => {
    const one = (label: number, score: number, at: number): Detection => ({ label, score, box: [at, 0, at + 1, 1] });
    const kept = withoutRepeats([one(0, 0.6, 0), one(0, 0.9, 0.1), one(1, 0.5, 0), one(0, 0.7, 0.9)], 0.45);
    expect(kept.map(({ label, score }) => [label, score])).toEqual([
      [0, 0.9],
      [0, 0.7],
      [1, 0.5],
    ]);
  });

  test('no more are kept than asked for, the best of them', () => {
    const one = (score: number, at: number): Detection => ({ label: 0, score, box: [at, 0, at + 1, 1] });
    const many = Array.from({ length: 50 }, (_, i) => one((7 * i) % 50, 2 * i));
    expect(withoutRepeats(many, 0.45, 3).map(({ score }) => score)).toEqual([49, 48, 47]);
  });

  test('refuses output of another length', () => {
    expect(() => detectionsIn(new Float32Array(7), anchors, { classes: 2 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('detector', () => {
  const options = { size: [32, 32], channels: 1, classes: 2, filters: [16, 24], anchorSizes: [0.25, 0.45] } as const;
  const grid = anchorBoxes(detectorLevels(options));
  const cells = grid.length / 4;

  /** Noise with one bright (class 0) or dark square (class 1) a picture. */
  function scenes(count: number, seed: number) {
    const random = createRandom(seed, 'squares');
    const image = new Float32Array(count * 1024);
    const objects = Array.from({ length: count }, (_, n): LabelledBox => {
      const [size, label] = [random.int(7, 14), random.int(0, 1)];
      const [x, y] = [random.int(0, 31 - size), random.int(0, 31 - size)];
      for (let i = 0; i < 1024; i += 1) {
        const inside = i % 32 >= x && i % 32 < x + size && i / 32 >= y && Math.floor(i / 32) < y + size;
        image[n * 1024 + i] = random.normal() * 0.1 + (inside ? 1 - 2 * label : 0);
      }
      return { label, box: [x / 32, y / 32, (x + size) / 32, (y + size) / 32] };
    });
    return { image: { dtype: 'float32' as const, dims: [count, 1, 32, 32], data: image }, objects };
  }

  test('learns to find bright and dark squares and to tell them apart', async () => {
    const [learn, judge] = [scenes(800, 1), scenes(100, 2)];
    const targets = Float32Array.from(learn.objects.flatMap((object) => Array.from(matchAnchors(grid, [object]))));
    const network = detectorNetwork(options);
    const reader = rowReader({
      image: { dtype: 'float32', dims: [1, 32, 32] },
      target: { dtype: 'float32', dims: [cells, 5] },
    });
    const epochs = 10;
    const train = Int32Array.from(learn.objects, (_, i) => i);
    const data = {
      image: learn.image,
      target: { dtype: 'float32' as const, dims: [train.length, cells, 5], data: targets },
    };
    const plan = { network, reader, loss: detectionLoss({ classes: 2 }), optimiser: adam(), batch: 16, clipNorm: 5 };
    const steps = (train.length / 16) * epochs;
    const { tensors } = await fit({ plan, data, train, epochs, learningRate: cosine(5e-3, { steps }) });
    await using session = await openSession(exportModel(network, tensors));
    const { detections } = await session.run({ image: judge.image });
    const numbers = detections?.data as Float32Array;
    const right = judge.objects.filter((object, n) => {
      const row = numbers.subarray(n * cells * 7, (n + 1) * cells * 7);
      const [best] = detectionsIn(row, grid, { classes: 2, score: 0.3 });
      return best?.label === object.label && overlap(best.box, object.box) > 0.5;
    });
    // 92 to 98 over seeds
    expect(right.length).toBeGreaterThanOrEqual(88);
  });
});
