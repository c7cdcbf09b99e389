// The features of packages/series as C: what each writes into its column of the model's input.
import type { FeatureName } from '@sanderling/series';
import { double } from '../detectors/template.ts';
import { indented, type Lines } from '../emit/c-text.ts';

const day = 86_400_000;
/** 1970-01-01 was a Thursday; weeks are counted from Monday. */
const monday = 4 * day;
const turn = (time: string, period: number): string => `forecaster_turn(${time}, ${double(period)})`;
const weekday = turn(`time - ${double(monday)}`, 7 * day);
const year = turn('time', 365.2425 * day);

/** Features of a row's time alone, as an expression of `time`. */
const circles: Readonly<Partial<Record<FeatureName, string>>> = {
  'hour-sin': `sin(${turn('time', day)})`,
  'hour-cos': `cos(${turn('time', day)})`,
  'weekday-sin': `sin(${weekday})`,
  'weekday-cos': `cos(${weekday})`,
  'year-sin': `sin(${year})`,
  'year-cos': `cos(${year})`,
};

/** Features of a row's values, as an expression of `value` and `previous`. */
const levels: Readonly<Partial<Record<FeatureName, string>>> = {
  value: 'forecaster_clamped((value - FORECASTER_MEAN) / FORECASTER_STD)',
  difference: 'isnan(previous) ? value * 0.0 : forecaster_clamped((value - previous) / FORECASTER_DIFFERENCE_STD)',
};

/** Pieces of C for a list of features. `circles`: how many are of the time alone. */
export interface FeatureText {
  readonly circles: number;
  readonly writeCircles: Lines;
  readonly readRow: Lines;
  readonly writeRow: Lines;
}

export function featureText(features: readonly FeatureName[]): FeatureText {
  const timed = features.filter((feature) => circles[feature] !== undefined);
  return {
    circles: timed.length,
    writeCircles: timed.map((feature, i) => `values[${i}] = (float)${circles[feature]!}; /* ${feature} */`),
    readRow: [
      ...(features.includes('difference') ? ['const double previous = window->rows[i];'] : []),
      ...(timed.length > 0
        ? [
            'const int64_t cell = window->head - (int64_t)FORECASTER_WINDOW + 1 + (int64_t)i;',
            'const float *const circles = forecaster_circles_of(&memory->circles, cell);',
          ]
        : []),
    ],
    writeRow: features.map((feature, column) => {
      const level = levels[feature];
      const from = level === undefined ? `circles[${timed.indexOf(feature)}]` : `(float)(${level})`;
      return `row[${column}] = ${from}; /* ${feature} */`;
    }),
  };
}

/** Puts lines where a placeholder stands, with its indentation; nothing where there are none. */
export function filled(text: string, placeholder: string, lines: Lines): string {
  return text.replace(new RegExp(`^( *)${placeholder}\n`, 'm'), (_, indent: string) =>
    indented(lines)
      .map((line) => `${indent}${line.slice(4)}\n`)
      .join(''),
  );
}
