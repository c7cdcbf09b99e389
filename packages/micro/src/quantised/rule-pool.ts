// Pools in int8, channels last: a row of channels at a time.
import { indexText, loop, type Lines } from '../emit/c-text.ts';
import type { Desk, OperatorRule } from '../operators/rule.ts';
import { leaves, need, plus, prefixOf, workOf } from './rule-text.ts';
import type { PoolWork } from './work.ts';

function overPlaces({ geometry }: PoolWork, lines: Lines): Lines {
  const { batch, output, strides, begins } = geometry;
  const top = (axis: 0 | 1, name: string): string =>
    indexText(begins[axis] === 0 ? 0 : -begins[axis], [[name, strides[axis]]]);
  return loop(
    'n',
    batch,
    loop('out_h', output[0], [
      `const int32_t top = ${top(0, 'out_h')};`,
      ...loop('out_w', output[1], [`const int32_t left = ${top(1, 'out_w')};`, ...lines]),
    ]),
  );
}

/** The taps of a place that lie inside; `row`: the channels of one. */
function overTaps(desk: Desk, { geometry }: PoolWork, lines: Lines): Lines {
  const { input, kernel, dilations, channels } = geometry;
  const inside = (axis: 0 | 1, name: string): Lines =>
    leaves(geometry, axis) ? [`if (${name} < 0 || ${name} >= ${input[axis]}) { continue; }`] : [];
  return loop('k_h', kernel[0], [
    `const int32_t in_h = ${indexText('top', [['k_h', dilations[0]]])};`,
    ...inside(0, 'in_h'),
    ...loop('k_w', kernel[1], [
      `const int32_t in_w = ${indexText('left', [['k_w', dilations[1]]])};`,
      ...inside(1, 'in_w'),
      `const int8_t *const row = ${desk.input(0)} + ((n * ${input[0]} + in_h) * ${input[1]} + in_w) * ${channels};`,
      ...lines,
    ]),
  ]);
}

function writePool(desk: Desk): Lines {
  const work = workOf(desk.layer, 'pool');
  const { output, channels } = work.geometry;
  const to = `int8_t *const out = ${desk.output()} + ((n * ${output[0]} + out_h) * ${output[1]} + out_w) * ${channels};`;
  if (work.average) return writeMean(desk, work, to);
  need(desk, 'int8_dsp', 'int8_most');
  return overPlaces(work, [
    to,
    `memset(out, -128, ${channels});`,
    ...overTaps(desk, work, [`${prefixOf(desk)}most(out, row, ${channels});`]),
  ]);
}

/** Sums of the taps inside, then scaled by their number. */
function writeMean(desk: Desk, work: PoolWork, to: string): Lines {
  const { channels } = work.geometry;
  const { zeroIn, zero, up, factors, padded } = work.average!;
  need(desk, 'int8_scale', 'int8_within', 'int8_tally');
  const prefix = prefixOf(desk);
  const table = desk.constant('factors', 'int32', factors);
  const less = zeroIn < 0 ? ` + count * ${-zeroIn}` : ` - count * ${zeroIn}`;
  const sum = `(sums[c]${less})${up === 0 ? '' : ` * ${2 ** up}`}`;
  return [
    `int32_t *const sums = (int32_t *)(void *)${desk.scratch()};`,
    ...overPlaces(work, [
      to,
      'int32_t count = 0;',
      ...loop('c', channels, ['sums[c] = 0;']),
      ...overTaps(desk, work, ['count++;', `${prefix}tally(sums, row, ${channels});`]),
      ...loop('c', channels, [
        `out[c] = (int8_t)${prefix}within(${prefix}scaled(${sum}, ${table}[${padded ? '0' : 'count'}])${plus(zero)}, -128, 127);`,
      ]),
    ]),
  ];
}

/** Pools. */
export const poolRule: OperatorRule = {
  covers: 'integer layer',
  inputs: ['x'],
  types: ['int8'],
  scratch: (layer) => {
    const { average, geometry } = workOf(layer, 'pool');
    return average ? 4 * geometry.channels : 0;
  },
  write: writePool,
};
