// The text of a forecaster: constants, the parts in `c/`, and the size of its memory.
import { count, cutAfter, defines, double, readText, renamed, type Constant } from '../detectors/template.ts';
import { block, comment, literal, type Lines } from '../emit/c-text.ts';
import { featureText, filled, type FeatureText } from './feature-text.ts';
import type { ForecasterParts, ForecasterReport } from './generate-forecaster.ts';

/** What became of a reading, in the order of the macros' values. */
const statuses = ['READY', 'FILLING', 'GAP', 'LATE', 'DUPLICATE', 'STALE', 'INVALID', 'RESTARTED'] as const;

/** Stale readings in a row after which the clock is taken to have gone back, as packages/series has it. */
const staleBeforeRestart = 5;

const part = (name: string): string => readText(`./c/${name}.c`, import.meta.url);
const up8 = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** One row for the first difference, the far end of a bridge, and two windows for late readings: as WindowBuffer keeps them. */
const cellsOf = ({ preprocessing: { window, maxInterpolateSteps } }: ForecasterParts): number =>
  window + 1 + maxInterpolateSteps + 2 * window;

/** The memory that the caller gives, part by part; a wrong sum stops the compiler. */
export function memoryBytes(parts: ForecasterParts): Omit<ForecasterReport, 'name' | 'constantBytes'> {
  const { preprocessing, readingsPerCell, monitor, detector, model } = parts;
  const { window, horizon, features } = preprocessing;
  const { circles } = featureText(features);
  const cell = up8(24 + 12 * readingsPerCell);
  const windowBytes =
    cellsOf(parts) * cell + 8 * (window + 1) + 32 + (circles > 0 ? up8(8 * window + 4 * window * circles) : 0);
  const ledgerBytes = 48 * horizon + 32;
  const monitorBytes = 16 * monitor.scoreWindow + 24 + detector.report.stateBytes + 32;
  const modelBytes = up8(model.arenaBytes) + up8(4 * (window * features.length + horizon + 1));
  const total = windowBytes + ledgerBytes + monitorBytes + modelBytes;
  return { memoryBytes: total, windowBytes, ledgerBytes, monitorBytes, modelBytes };
}

function constantsOf(parts: ForecasterParts): readonly Constant[] {
  const { preprocessing: p, monitor, selfTest, readingsPerCell } = parts;
  return [
    { macro: 'STEP_MS', c: double(p.stepMs), about: 'distance between rows' },
    { macro: 'OFFSET_MS', c: double(p.offsetMs) },
    { macro: 'WINDOW', c: count(p.window), about: 'rows that the model looks at' },
    { macro: 'FEATURES', c: count(p.features.length), about: p.features.join(', ') },
    { macro: 'HORIZON', c: count(p.horizon), about: 'rows that it forecasts' },
    { macro: 'CELLS', c: count(cellsOf(parts)), about: 'rows that are kept, so that late readings find their place' },
    { macro: 'READINGS_PER_CELL', c: count(readingsPerCell) },
    { macro: 'MOST_MISSING', c: String(p.maxInterpolateSteps), about: 'longest run of missing rows that is bridged' },
    { macro: 'STALE_BEFORE_RESTART', c: count(staleBeforeRestart) },
    { macro: 'MEAN', c: double(p.mean) },
    { macro: 'STD', c: double(p.std) },
    { macro: 'DIFFERENCE_STD', c: double(p.differenceStd) },
    { macro: 'CLAMP_SIGMA', c: double(p.clampSigma) },
    { macro: 'CIRCLES', c: count(featureText(p.features).circles), about: 'features that the time alone tells' },
    { macro: 'TWO_PI', c: double(2 * Math.PI) },
    ...monitor.constants,
    { macro: 'TESTS', c: count(selfTest.cases.length) },
    { macro: 'TOLERANCE', c: double(selfTest.tolerance) },
    { macro: 'NO_CELL', c: 'INT64_MIN' },
    { macro: 'NO_TIME', c: 'INT64_MIN' },
    { macro: 'LAST_TIME', c: 'INT64_C(9007199254740991)', about: 'times beyond are no times' },
  ];
}

/** The files of a forecaster itself, and the bytes of its constants. */
export function writeForecaster(parts: ForecasterParts): {
  readonly files: Readonly<Record<string, string>>;
  readonly constantBytes: number;
} {
  const { name, preprocessing, selfTest } = parts;
  const features = featureText(preprocessing.features);
  const write = (lines: Lines): string => `${renamed(lines.join('\n'), 'forecaster', name)}\n`;
  const perCase = 4 * preprocessing.window * preprocessing.features.length + 8 * preprocessing.horizon;
  return {
    files: {
      [`${name}.h`]: write(headerText(parts, features)),
      [`${name}.c`]: write(sourceText(parts, features)).replace(`"${name}_.h"`, `"${name}.h"`),
      [`${name}_image.c`]: write(imageText).replace(`"${name}_.h"`, `"${name}.h"`),
    },
    constantBytes: selfTest.cases.length * perCase + 20,
  };
}

const imageText: Lines = [
  '/* The entry table of a model image: the first thing behind its header. */',
  '#include "forecaster_.h"',
  '',
  'extern const sanderling_entry sanderling_image_entry;',
  '',
  'SANDERLING_IMAGE_ENTRY const sanderling_entry sanderling_image_entry = FORECASTER_ENTRY;',
];

function aboutText({ name, preprocessing: p, monitor }: ForecasterParts, bytes: number): Lines {
  const lines = [
    `${name}: a forecaster of ${p.horizon} steps from a window of ${p.window}, generated by Sanderling. Do not edit.`,
    `Its drift detector is ${monitor.detector}. ${bytes} bytes of memory, no variables of its own.`,
    'Compile without contracting a * b + c (GCC and Clang: -ffp-contract=off), or the last bit of a score may differ.',
  ];
  return ['/*', ...lines.map((line) => ` * ${comment(line)}`), ' */'];
}

const doors: Lines = [
  '/* The functions of sanderling_entry.h. The self-test leaves the memory such that it must be started. */',
  'int32_t forecaster_self_test(void *memory);',
  'void forecaster_start(void *memory);',
  'void forecaster_reading(void *memory, int64_t time_ms, float value, sanderling_answer *answer);',
  '',
  '/* What became of the newest reading: FORECASTER_READY and the like. */',
  'uint32_t forecaster_status(const void *memory);',
  '',
  '/* All of that as a table. */',
  '#define FORECASTER_ENTRY \\',
  '    { SANDERLING_ENTRY_ABI, sizeof(forecaster_memory), forecaster_self_test, forecaster_start, forecaster_reading }',
  'extern const sanderling_entry forecaster_entry;',
];

function headerText(parts: ForecasterParts, features: FeatureText): Lines {
  const { model } = parts;
  const bytes = memoryBytes(parts).memoryBytes;
  const { types } = cutTexts(features);
  return [
    ...aboutText(parts, bytes),
    '#ifndef FORECASTER_INCLUDED',
    '#define FORECASTER_INCLUDED',
    '',
    '#include <stdint.h>',
    '',
    '#include "forecaster_detector.h"',
    `#include "${model.prefix}.h"`,
    '#include "sanderling_entry.h"',
    '',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    ...defines('forecaster', constantsOf(parts)),
    '',
    '/* What became of a reading. */',
    ...statuses.map((status, i) => `#define FORECASTER_${status} ${i}U`),
    '',
    ...types,
    '/* Everything that lives from reading to reading. */',
    ...block('typedef struct', [
      ...(model.arenaBytes > 0 ? [`${model.prefix}_arena arena;`] : []),
      'forecaster_window window;',
      ...(features.circles > 0 ? ['forecaster_circles circles;'] : []),
      'forecaster_ledger ledger;',
      'forecaster_monitor monitor;',
      'float input[FORECASTER_WINDOW * FORECASTER_FEATURES];',
      'float output[FORECASTER_HORIZON];',
      'uint32_t status; /* what became of the newest reading */',
    ]).map((line) => (line === '}' ? '} forecaster_memory;' : line)),
    '',
    `#define FORECASTER_MEMORY_BYTES ${bytes}U`,
    'typedef char forecaster_memory_is_as_reported[(sizeof(forecaster_memory) == FORECASTER_MEMORY_BYTES) ? 1 : -1];',
    '',
    ...doors,
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '',
    '#endif',
  ];
}

/** Types and functions of the parts, in the order in which they need one another. */
function cutTexts(features: FeatureText): { readonly types: Lines; readonly code: Lines } {
  const circles = filled(part('circles'), 'FORECASTER_WRITE_CIRCLES', features.writeCircles);
  const cuts = [
    cutAfter(part('window'), 'forecaster_window'),
    ...(features.circles > 0 ? [cutAfter(circles, 'forecaster_circles')] : []),
    cutAfter(part('ledger'), 'forecaster_ledger'),
    cutAfter(part('monitor'), 'forecaster_monitor'),
  ];
  return { types: cuts.flatMap(({ types }) => [...types, '']), code: cuts.flatMap(({ code }) => [...code, '']) };
}

function sourceText(parts: ForecasterParts, features: FeatureText): Lines {
  const { model } = parts;
  const places = model.arenaBytes > 0 ? '&m->arena, ' : '';
  const encode = filled(
    filled(part('encode'), 'FORECASTER_READ_ROW', features.readRow),
    'FORECASTER_WRITE_ROW',
    features.writeRow,
  );
  const emptied = features.circles > 0 ? ['forecaster_empty_circles(&m->circles);'] : [];
  const door = filled(part('door'), 'FORECASTER_EMPTY_CIRCLES', emptied).replace(
    /FORECASTER_RUN\((.*)\);/g,
    `${model.prefix}_run(${places}$1, m->output);`,
  );
  return [
    ...aboutText(parts, memoryBytes(parts).memoryBytes),
    '#include "forecaster_.h"',
    '',
    '#include <math.h>',
    '#include <string.h>',
    '',
    ...testConstants(parts),
    '',
    ...cutTexts(features).code,
    encode,
    '',
    door,
  ];
}

function testConstants({ selfTest: { cases } }: ForecasterParts): Lines {
  const rows = (values: readonly number[], dtype: 'float32' | 'float64'): string =>
    `    {${values.map((value) => literal(value, dtype)).join(', ')}},`;
  return [
    'static const float forecaster_test_inputs[FORECASTER_TESTS][FORECASTER_WINDOW * FORECASTER_FEATURES] = {',
    ...cases.map(({ input }) => rows(input, 'float32')),
    '};',
    '',
    'static const double forecaster_test_outputs[FORECASTER_TESTS][FORECASTER_HORIZON] = {',
    ...cases.map(({ expected }) => rows(expected, 'float64')),
    '};',
  ];
}
