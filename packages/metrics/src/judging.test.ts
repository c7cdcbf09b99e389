// Classes, probabilities and verification, against scikit-learn and closed forms (fixtures/make-fixtures.py).
import { array, assert, integer, property, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  brierScore,
  classificationMetrics,
  confusionMatrix,
  detCurve,
  equalErrorRate,
  expectedCalibrationError,
  logLoss,
  presentationAttackErrors,
  reliability,
  rocAuc,
  rocCurve,
  thresholdAtFar,
  topConfidence,
  verificationErrors,
} from './index.ts';
import { codeOf, expectClose, load, type ClassFixture } from './fixtures.suite.ts';

interface ProbabilityFixture {
  readonly actual: number[];
  readonly scores: number[];
  readonly auc: number;
  readonly fpr: number[];
  readonly tpr: number[];
  readonly thresholds: number[];
  readonly many: number[];
  readonly rows: number[][];
  readonly logLoss: number;
  readonly brier: number;
}

describe('classes', () => {
  const fixture = load('classification') as ClassFixture;
  const result = classificationMetrics(fixture.actual, fixture.predicted);

  test('agree with scikit-learn', () => {
    expect(result.confusion.counts).toEqual(fixture.confusion);
    expect(result.accuracy).toBeCloseTo(fixture.accuracy, 14);
    expect(result.balancedAccuracy).toBeCloseTo(fixture.balancedAccuracy, 14);
    expect(result.macroF1).toBeCloseTo(fixture.macroF1, 14);
    expectClose(
      result.classes.map(({ precision }) => precision),
      fixture.precision,
    );
    expectClose(
      result.classes.map(({ recall }) => recall),
      fixture.recall,
    );
    expectClose(
      result.classes.map(({ f1 }) => f1),
      fixture.f1,
    );
    expect(result.classes.map(({ support }) => support)).toEqual(fixture.support);
  });

  test('false rates follow from the counts of one class against the rest', () => {
    const { classes } = classificationMetrics(['cat', 'cat', 'dog', 'dog', 'dog'], ['cat', 'dog', 'dog', 'cat', 'dog']);
    expect(classes[0]).toMatchObject({ label: 'cat', falsePositiveRate: 1 / 3, falseNegativeRate: 1 / 2 });
  });

  test('a class that never occurs has no recall, and does not drag the means down', () => {
    const { classes, macroF1, balancedAccuracy } = classificationMetrics([0, 1], [0, 1], [0, 1, 2]);
    expect(classes[2]).toMatchObject({ support: 0, precision: null, recall: null, f1: null });
    expect([macroF1, balancedAccuracy]).toEqual([1, 1]);
  });

  test.each<[string, () => unknown, string]>([
    ['no rows', () => classificationMetrics([], []), 'TOO_LITTLE_DATA'],
    ['unequal lengths', () => classificationMetrics([1], [1, 2]), 'INVALID_DATA'],
    ['a class that is not listed', () => confusionMatrix([1], [3], [1, 2]), 'INVALID_DATA'],
    ['NaN', () => confusionMatrix([Number.NaN], [1]), 'INVALID_DATA'],
    ['a class listed twice', () => confusionMatrix([1], [1], [1, 1]), 'INVALID_DATA'],
    [
      'a number for every row',
      () =>
        classificationMetrics(
          Array.from({ length: 5000 }, (_, i) => i),
          Array(5000).fill(0),
        ),
      'INVALID_DATA',
    ],
  ])('refuses %s', (_, act, code) => {
    expect(codeOf(act)).toBe(code);
  });
});

describe('probabilities', () => {
  const fixture = load('probability') as ProbabilityFixture;

  test('agree with scikit-learn, ties included', () => {
    expect(rocAuc(fixture.actual, fixture.scores)).toBeCloseTo(fixture.auc, 13);
    const curve = rocCurve(fixture.actual, fixture.scores);
    expectClose(
      curve.map(({ falsePositiveRate }) => falsePositiveRate),
      fixture.fpr,
    );
    expectClose(
      curve.map(({ truePositiveRate }) => truePositiveRate),
      fixture.tpr,
    );
    expectClose(
      curve.slice(1).map(({ threshold }) => threshold),
      fixture.thresholds,
    );
    expect(logLoss(fixture.many, fixture.rows)).toBeCloseTo(fixture.logLoss, 8);
    expect(brierScore(fixture.many, fixture.rows)).toBeCloseTo(fixture.brier, 12);
  });

  test('the area under the ROC curve is the integral of its points', () => {
    const bit = integer({ min: 0, max: 1 });
    assert(
      property(array(tuple(bit, integer({ min: 0, max: 9 })), { maxLength: 40 }), (rows) => {
        const actual = [0, 1, ...rows.map(([y]) => y)];
        const scores = [3, 5, ...rows.map(([, s]) => s)];
        const curve = rocCurve(actual, scores);
        let area = 0;
        for (let i = 1; i < curve.length; i++) {
          const [a, b] = [curve[i - 1]!, curve[i]!];
          area += ((b.falsePositiveRate - a.falsePositiveRate) * (a.truePositiveRate + b.truePositiveRate)) / 2;
        }
        expect(rocAuc(actual, scores)).toBeCloseTo(area, 12);
      }),
    );
  });

  test('calibration: the worked distances of two bins', () => {
    // 0.2 came true once in four: off by 0.05; 0.9 came true three times in four: off by 0.15.
    const happened = [0, 0, 0, 1, 1, 1, 1, 0];
    const confidences = [0.2, 0.2, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9];
    expect(expectedCalibrationError(happened, confidences)).toBeCloseTo(0.1, 12);
    const bins = reliability(happened, confidences, 5);
    expect(bins[0]).toMatchObject({ from: 0, to: 0.2, count: 4, frequency: 0.25 });
    expect(bins[2]).toEqual({ from: 0.4, to: 0.6, count: 0, confidence: null, frequency: null });
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(8);
    expect(reliability([1, 0], [0, 1]).map(({ count }) => count)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  test('the top class of each row and whether it came true', () => {
    expect(
      topConfidence(
        [1, 0],
        [
          [0.2, 0.8],
          [0.3, 0.7],
        ],
      ),
    ).toEqual({ predicted: [1, 1], confidences: [0.8, 0.7], happened: [1, 0] });
  });

  test('one sure error is costly but not infinite', () => {
    expect(logLoss([0], [[0, 1]])).toBeCloseTo(52 * Math.LN2, 10);
  });

  test.each<[string, () => unknown]>([
    ['one class', () => rocAuc([1, 1], [1, 2])],
    ['classes beyond 0 and 1', () => rocAuc([0, 2], [1, 2])],
    ['NaN scores', () => rocCurve([0, 1], [Number.NaN, 1])],
    ['rows that do not sum to one', () => logLoss([0], [[0.5, 0.4]])],
    ['negative probabilities', () => brierScore([0], [[-0.5, 1.5]])],
    ['ragged rows', () => brierScore([0, 0], [[0.5, 0.5], [1]])],
    ['a class beyond the row', () => logLoss([2], [[0.5, 0.5]])],
    ['confidence beyond one', () => reliability([1], [1.5])],
  ])('refuses %s', (_, act) => {
    expect(codeOf(act)).toBe('INVALID_DATA');
  });
});

describe('verification', () => {
  const attempts = { genuine: [0.9, 0.8, 0.7, 0.6, 0.35], impostor: [0.1, 0.2, 0.3, 0.4, 0.5] };

  test('counts who is let in and who is kept out', () => {
    expect(verificationErrors(attempts, 0.4)).toEqual({ threshold: 0.4, far: 0.4, frr: 0.2 });
    expect(thresholdAtFar(attempts, 0.25)).toEqual({ threshold: 0.5, far: 0.19999999999999996, frr: 0.2 });
    expect(thresholdAtFar(attempts, 0)).toMatchObject({ threshold: 0.6, frr: 0.2 });
  });

  test('the equal error rate of a worked example, and of perfect and hopeless scores', () => {
    expect(equalErrorRate(attempts).rate).toBeCloseTo(0.2, 12);
    expect(equalErrorRate({ genuine: [2, 3], impostor: [0, 1] }).rate).toBe(0);
    expect(equalErrorRate({ genuine: [1, 2], impostor: [1, 2] }).rate).toBeCloseTo(0.5, 12);
    expect(equalErrorRate({ genuine: [0], impostor: [1] }).rate).toBe(1);
  });

  test('of two normals a distance d apart it tends to Φ(−d/2)', () => {
    const grid = Array.from({ length: 4000 }, (_, i) => (i + 0.5) / 4000);
    // Quantiles of the logistic distribution: EER is its value at −d/2 in closed form.
    const logistic = grid.map((p) => Math.log(p / (1 - p)));
    const { rate, threshold } = equalErrorRate({ genuine: logistic.map((x) => x + 4), impostor: logistic });
    expect(rate).toBeCloseTo(1 / (1 + Math.exp(2)), 3);
    expect(threshold).toBeCloseTo(2, 2);
  });

  test('along the curve FAR falls and FRR rises', () => {
    const score = integer({ min: 0, max: 20 });
    assert(
      property(array(score, { minLength: 1 }), array(score, { minLength: 1 }), (genuine, impostor) => {
        const curve = detCurve({ genuine, impostor });
        expect(curve[0]).toMatchObject({ far: 1, frr: 0 });
        expect(curve.at(-1)).toEqual({ threshold: Infinity, far: 0, frr: 1 });
        for (let i = 1; i < curve.length; i++) {
          expect(curve[i]!.far).toBeLessThanOrEqual(curve[i - 1]!.far);
          expect(curve[i]!.frr).toBeGreaterThanOrEqual(curve[i - 1]!.frr);
        }
        const { rate } = equalErrorRate({ genuine, impostor });
        expect(rate >= 0 && rate <= 1).toBe(true);
      }),
    );
  });

  test('attacks are judged by the worst kind', () => {
    const errors = presentationAttackErrors([0.9, 0.8, 0.2, 0.7], { print: [0.1, 0.2], screen: [0.6, 0.1] }, 0.5);
    expect(errors).toEqual({ perKind: { print: 0, screen: 0.5 }, apcer: 0.5, bpcer: 0.25, acer: 0.375 });
  });

  test.each<[string, () => unknown, string]>([
    ['nobody', () => equalErrorRate({ genuine: [], impostor: [1] }), 'TOO_LITTLE_DATA'],
    ['NaN', () => detCurve({ genuine: [1], impostor: [Number.NaN] }), 'INVALID_DATA'],
    ['a threshold of NaN', () => verificationErrors(attempts, Number.NaN), 'INVALID_ARGUMENT'],
    ['a rate beyond one', () => thresholdAtFar(attempts, 2), 'INVALID_ARGUMENT'],
    ['no attack', () => presentationAttackErrors([1], {}, 0), 'TOO_LITTLE_DATA'],
  ])('refuses %s', (_, act, code) => {
    expect(codeOf(act)).toBe(code);
  });
});
