// Boxes and masks, against pycocotools, scikit-learn and worked examples (fixtures/make-fixtures.py).
import { describe, expect, test } from 'vitest';
import { boxIou, cocoMetrics, segmentationMetrics, vocMetrics, type Box, type DetectionImage } from './index.ts';
import { codeOf, expectClose, load, type ClassFixture } from './fixtures.suite.ts';

interface DetectionFixture {
  readonly truths: number[][];
  readonly detections: number[][];
  readonly stats: number[];
  readonly classes: number[];
  readonly classes50: number[];
}

describe('boxes', () => {
  test('overlap of boxes', () => {
    expect(boxIou([0, 0, 2, 2], [1, 1, 3, 3])).toBeCloseTo(1 / 7, 15);
    expect(boxIou([0, 0, 1, 1], [1, 0, 2, 1])).toBe(0);
    expect(boxIou([0, 0, 0, 0], [0, 0, 0, 0])).toBe(0);
  });

  test('agree with pycocotools in all that COCO prints for 100 detections', () => {
    const fixture = load('detection') as DetectionFixture;
    const toBox = ([x, y, w, h]: readonly number[]): Box => [x!, y!, x! + w!, y! + h!];
    const images = Array.from(
      { length: 24 },
      (_, i): DetectionImage => ({
        truths: fixture.truths
          .filter(([image]) => image === i + 1)
          .map(([, label, ...box]) => ({ label: label!, box: toBox(box) })),
        detections: fixture.detections
          .filter(([image]) => image === i + 1)
          .map(([, label, ...rest]) => ({ label: label!, box: toBox(rest), score: rest[4]! })),
      }),
    );
    const result = cocoMetrics(images);
    const { map, map50, map75, mapSmall, mapMedium, mapLarge, recall } = result;
    expectClose([map, map50, map75, mapSmall, mapMedium, mapLarge], fixture.stats.slice(0, 6), 9);
    expect(recall).toBeCloseTo(fixture.stats[8]!, 9);
    expectClose(
      result.classes.map(({ ap }) => ap),
      fixture.classes,
      9,
    );
    expectClose(
      result.classes.map(({ ap50 }) => ap50),
      fixture.classes50,
      9,
    );
  });

  // Two objects; hit, false, hit: precision 1 up to recall 0.5, then 2/3.
  const box: Box = [0, 0, 10, 10];
  const far: Box = [50, 50, 60, 60];
  const worked: DetectionImage[] = [
    {
      truths: [
        { box, label: 'bird' },
        { box: far, label: 'bird' },
      ],
      detections: [
        { box, label: 'bird', score: 0.9 },
        { box: [20, 20, 30, 30], label: 'bird', score: 0.8 },
        { box: far, label: 'bird', score: 0.7 },
      ],
    },
  ];

  test('VOC by hand: the area, and eleven points', () => {
    expect(vocMetrics(worked).map).toBeCloseTo(0.5 + 0.5 * (2 / 3), 12);
    expect(vocMetrics(worked, { elevenPoints: true }).map).toBeCloseTo((6 + 5 * (2 / 3)) / 11, 12);
  });

  test('a second claim on the same object is false, and a difficult object counts neither way', () => {
    const twice = [
      {
        truths: [{ box, label: 1 }],
        detections: [
          { box, label: 1, score: 0.5 },
          { box, label: 1, score: 0.6 },
        ],
      },
    ];
    expect(vocMetrics(twice).map).toBe(1);
    expect(
      vocMetrics([
        {
          ...twice[0]!,
          truths: [
            { box, label: 1 },
            { box: far, label: 1 },
          ],
        },
      ]).map,
    ).toBe(0.5);
    const difficult = [
      {
        truths: [
          { box, label: 1 },
          { box: far, label: 1, ignore: true },
        ],
        detections: [
          { box: far, label: 1, score: 0.9 },
          { box, label: 1, score: 0.5 },
        ],
      },
    ];
    expect(vocMetrics(difficult).map).toBe(1);
    expect(cocoMetrics(difficult).map).toBeCloseTo(1, 12);
  });

  test('perfect detections score one, none score zero', () => {
    expect(cocoMetrics([{ truths: [{ box, label: 1 }], detections: [{ box, label: 1, score: 1 }] }])).toMatchObject({
      map: 1,
      recall: 1,
      mapLarge: null,
    });
    expect(cocoMetrics([{ truths: [{ box, label: 1 }], detections: [] }])).toMatchObject({ map: 0, recall: 0 });
  });

  test.each<[string, () => unknown, string]>([
    [
      'nothing to find',
      () => cocoMetrics([{ truths: [], detections: [{ box, label: 1, score: 1 }] }]),
      'TOO_LITTLE_DATA',
    ],
    [
      'a box inside out',
      () => cocoMetrics([{ truths: [{ box: [5, 0, 1, 1], label: 1 }], detections: [] }]),
      'INVALID_DATA',
    ],
    [
      'a box with a hole',
      () => vocMetrics([{ truths: [{ box: [0, 0, 1] as never, label: 1 }], detections: [] }]),
      'INVALID_DATA',
    ],
    [
      'a score of NaN',
      () => vocMetrics([{ truths: [{ box, label: 1 }], detections: [{ box, label: 1, score: Number.NaN }] }]),
      'INVALID_DATA',
    ],
    ['an impossible overlap', () => vocMetrics(worked, { iou: 0 }), 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, act, code) => {
    expect(codeOf(act)).toBe(code);
  });
});

describe('masks', () => {
  test('agree with scikit-learn: IoU is the Jaccard index, Dice is F1', () => {
    const { actual, predicted, jaccard, f1, accuracy } = load('classification') as ClassFixture;
    const result = segmentationMetrics(Uint8Array.from(actual), Uint8Array.from(predicted), { classes: 5 });
    expectClose(
      result.classes.slice(0, 4).map(({ iou }) => iou),
      jaccard,
    );
    expectClose(
      result.classes.slice(0, 4).map(({ dice }) => dice),
      f1,
    );
    expect(result.classes[4]).toEqual({ label: 4, pixels: 0, iou: null, dice: null });
    expect(result.pixelAccuracy).toBeCloseTo(accuracy, 14);
    expect(result.meanIou).toBeCloseTo(jaccard.reduce((sum, v) => sum + v, 0) / 4, 12);
  });

  test('ignored pixels count nowhere', () => {
    expect(segmentationMetrics([255, 1, 0], [1, 1, 0], { classes: 2, ignore: 255 })).toMatchObject({
      pixelAccuracy: 1,
      meanIou: 1,
    });
  });

  test.each<[string, () => unknown, string]>([
    ['unequal sizes', () => segmentationMetrics([1], [1, 1], { classes: 2 }), 'INVALID_DATA'],
    ['labels out of range', () => segmentationMetrics([7], [1], { classes: 2 }), 'INVALID_DATA'],
    ['no pixel', () => segmentationMetrics([255], [1], { classes: 2, ignore: 255 }), 'TOO_LITTLE_DATA'],
    ['no class', () => segmentationMetrics([0], [0], { classes: 0 }), 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, act, code) => {
    expect(codeOf(act)).toBe(code);
  });
});
