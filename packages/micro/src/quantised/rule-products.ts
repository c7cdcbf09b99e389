// Convolutions, transposed convolutions and matrix products in int8: rows of inputs, two at a time, against all channels.
import { block, indexText, loop, type Lines } from '../emit/c-text.ts';
import type { Desk, OperatorRule } from '../operators/rule.ts';
import { leaves, need, prefixOf, scalingText, workOf } from './rule-text.ts';
import { planeRowsName, planeRowsText } from './plane-rows.ts';
import { planesAtOnce, spanOf, type DepthwiseWork, type Geometry, type ProductsWork } from './work.ts';

const quadsOf = (depth: number): number => Math.ceil(depth / 4);

/** From one four of a row to the next: rows are interlaced where there are several. */
const stepOf = (rows: number): number => (rows > 1 ? 8 : 4);

/** Two rows of int16. */
const scratchBytes = ({ depth, rows }: ProductsWork): number => Math.min(rows, 2) * quadsOf(depth) * 4 * 2;

function writeProducts(desk: Desk): Lines {
  const work = workOf(desk.layer, 'products');
  need(desk, 'int8_dsp', 'int8_widen_here');
  if (work.rows === 1) need(desk, 'int8_quad2', 'int8_sum2', 'int8_products1');
  else need(desk, 'int8_sum4', 'int8_products2');
  const quads = quadsOf(work.depth);
  const empty = quads * 4 > work.depth;
  const tail = (row: string): Lines => (empty ? tailOf(desk, work, row) : []);
  const lines = [
    `int16_t *const rows = (int16_t *)(void *)${desk.scratch()};`,
    ...(empty && work.rows > 1 ? loop('i', 2, tail('rows + 4 * i')) : tail('rows')),
    ...work.groups.flatMap((scaling, group): Lines => {
      const several = work.groups.length > 1;
      const weights = desk.constant(several ? `weights_${group}` : 'weights', 'int8', work.weights[group]!, true);
      const body = [
        ...scalingText(desk, 'scaling', scaling, several ? `scaling_${group}` : 'scaling'),
        ...overRows(desk, work, { weights, group, quads }),
      ];
      return several ? block('', body).map((line) => (line.trimStart() === '{' ? '{' : line)) : body;
    }),
  ];
  if (lines.some((line) => line.includes(`${prefixOf(desk)}widen(`))) need(desk, 'int8_widen');
  return lines;
}

/** Places of a row beyond its depth hold zeros. */
function tailOf(desk: Desk, { depth, rows }: ProductsWork, row: string): Lines {
  need(desk, 'int8_fill');
  return [`${prefixOf(desk)}fill(0, ${depth}, ${quadsOf(depth) * 4 - depth}, ${row}, ${stepOf(rows)});`];
}

interface Part {
  readonly weights: string;
  readonly group: number;
  readonly quads: number;
}

/** All rows of a group, in pairs. */
function overRows(desk: Desk, work: ProductsWork, { weights, group, quads }: Part): Lines {
  const prefix = prefixOf(desk);
  const { rows, groups } = work;
  const width = groups.reduce((sum, { channels }) => sum + channels, 0);
  const start = groups.slice(0, group).reduce((sum, { channels }) => sum + channels, 0);
  const at = (row: string): string => `${desk.output()} + ${start === 0 ? '' : `${start} + `}${row} * ${width}`;
  if (rows === 1)
    return [
      ...fillRow(desk, work, { group, row: '0', to: 'rows' }),
      `${prefix}products1(rows, ${weights}, ${quads}, &scaling, ${at('0')});`,
    ];
  const fill = fillRow(desk, work, { group, row: '(p + i)', to: 'row' });
  const put = ['int16_t *const row = rows + 4 * i;', ...fill];
  const pair = `${prefix}products2(rows, ${weights}, ${quads}, &scaling, ${at('p')}, ${at('(p + 1)')});`;
  const body = [...loop('i', 2, put), pair];
  if (rows % 2 === 0) return block(`for (int32_t p = 0; p < ${rows}; p += 2)`, body);
  return block(`for (int32_t next = 0; next < ${rows}; next += 2)`, [
    `const int32_t p = (next < ${rows - 1}) ? next : ${rows - 2}; /* the last pair overlaps the one before */`,
    ...body,
  ]);
}

interface Row {
  readonly group: number;
  readonly row: string;
  readonly to: string;
}

/** Puts the inputs of one output place into a row. */
function fillRow(desk: Desk, work: ProductsWork, { group, row, to }: Row): Lines {
  const { geometry, depth } = work;
  const widen = `${prefixOf(desk)}widen`;
  if (!geometry) return [`${widen}(${desk.input(0)} + ${row} * ${depth}, 0, ${depth}, ${to}, ${stepOf(work.rows)});`];
  const { output } = geometry;
  const places = output[0] * output[1];
  const sample = geometry.batch > 1;
  const short = wholeWindow(desk, work, { to, sample });
  return [
    ...(sample ? [`const int32_t n = ${row} / ${places};`] : []),
    ...(sample && places > 1 ? [`const int32_t place = ${row} % ${places};`] : []),
    ...placesOf(geometry, sample ? 'place' : row),
    ...short,
    ...(short.length > 0 && !leaves(geometry, 0) && !leaves(geometry, 1)
      ? []
      : overKernelRows(desk, work, { group, to, sample })),
  ];
}

/** Short rows of a window that lies inside are written out one by one, so that the compiler knows where each four begins. */
function wholeWindow(desk: Desk, work: ProductsWork, { to, sample }: Omit<Taps, 'group'>): Lines {
  const { kernel, dilations, input, step, channels } = work.geometry!;
  const inner = work.depth / (kernel[0] * kernel[1]);
  const run = kernel[1] * inner;
  const plain = dilations[1] === 1 && step[0] === 1 && step[1] === 1 && inner === channels;
  if (!plain || work.rows === 1 || kernel[0] > 12 || run > 36) return [];
  const last = [input[0] - (kernel[0] - 1) * dilations[0] - 1, input[1] - kernel[1]] as const;
  if (last.some((place) => place < 0)) return [];
  const tests = ([0, 1] as const)
    .filter((axis) => leaves(work.geometry!, axis))
    .map((axis) => `${axis === 0 ? 'top' : 'left'} >= 0 && ${axis === 0 ? 'top' : 'left'} <= ${last[axis]}`);
  const line = sample ? `(n * ${input[0]} + top)` : 'top';
  const rows = Array.from({ length: kernel[0] }, (_, k) => {
    const from = indexText('from', [[String(k * dilations[0]), input[1] * channels]]);
    return `${prefixOf(desk)}widen_here(${k === 0 ? 'from' : from}, ${k * run}, ${run}, ${to}, ${stepOf(work.rows)});`;
  });
  const body = [`const int8_t *const from = ${desk.input(0)} + (${line} * ${input[1]} + left) * ${channels};`, ...rows];
  return tests.length === 0 ? body : block(`if (${tests.join(' && ')})`, [...body, 'continue;']);
}

/** The input place of the first tap, in places of the (stretched) input. */
function placesOf({ output, strides, begins }: Geometry, place: string): Lines {
  const at = (text: string, axis: 0 | 1): string =>
    indexText(begins[axis] === 0 ? 0 : -begins[axis], [[text, strides[axis]]]);
  const [high, wide] = output;
  return [
    `const int32_t top = ${high === 1 ? -begins[0] : at(wide === 1 ? place : `(${place} / ${wide})`, 0)};`,
    `const int32_t left = ${wide === 1 ? -begins[1] : at(high === 1 ? place : `(${place} % ${wide})`, 1)};`,
  ];
}

interface Taps {
  readonly group: number;
  readonly to: string;
  readonly sample: boolean;
}

function overKernelRows(desk: Desk, work: ProductsWork, taps: Taps): Lines {
  const geometry = work.geometry!;
  const { kernel, dilations, input, step } = geometry;
  const inner = work.depth / (kernel[0] * kernel[1]);
  const run = kernel[1] * inner;
  const prefix = prefixOf(desk);
  const at = indexText(0, [['k_h', run]]);
  const tall = indexText('top', [['k_h', dilations[0]]]);
  const outside = outsideTest('in_h', input[0], step[0]);
  const rowLines = overColumns(desk, work, taps);
  const out = leaves(geometry, 0) || step[0] > 1;
  if (out) need(desk, 'int8_fill');
  const body = out
    ? [
        ...block(`if (${outside})`, [
          `${prefix}fill(${work.zeroIn}, ${at}, ${run}, ${taps.to}, ${stepOf(work.rows)});`,
          'continue;',
        ]),
        ...rowLines,
      ]
    : rowLines;
  const wide = kernel[0] > 1 ? loop('k_h', kernel[0], [`const int32_t in_h = ${tall};`, ...body]) : undefined;
  return wide ?? loop('k_h', 1, [`const int32_t in_h = top;`, ...body]);
}

const outsideTest = (name: string, size: number, step: number): string =>
  step === 1
    ? `${name} < 0 || ${name} >= ${size}`
    : `${name} < 0 || ${name} >= ${size * step} || ${name} % ${step} != 0`;

/** One row of the kernel: in one run where it lies inside and has no gaps, else tap by tap. */
function overColumns(desk: Desk, work: ProductsWork, { group, to, sample }: Taps): Lines {
  const geometry = work.geometry!;
  const { kernel, dilations, input, step, channels } = geometry;
  const inner = work.depth / (kernel[0] * kernel[1]);
  const prefix = prefixOf(desk);
  const whole = dilations[1] === 1 && step[1] === 1 && inner === channels;
  const out = leaves(geometry, 1) || step[1] > 1;
  const high = step[0] === 1 ? 'in_h' : `(in_h / ${step[0]})`;
  const line = sample ? `(n * ${input[0]} + ${high})` : high;
  const from = (column: string): string =>
    `${desk.input(0)} + (${line} * ${input[1]} + ${column}) * ${channels}${group === 0 ? '' : ` + ${group * inner}`}`;
  const at = indexText(0, [['k_h', kernel[1] * inner]]);
  const run = `${prefix}widen(${from('left')}, ${at}, ${kernel[1] * inner}, ${to}, ${stepOf(work.rows)});`;
  if (whole && !out) return [run];
  const place = step[1] === 1 ? 'in_w' : `(in_w / ${step[1]})`;
  const tap = indexText(at === '0' ? 0 : at, [['k_w', inner]]);
  const copy = `${prefix}widen(${from(place)}, ${tap}, ${inner}, ${to}, ${stepOf(work.rows)});`;
  if (out) need(desk, 'int8_fill');
  const one = [
    `const int32_t in_w = ${indexText('left', [['k_w', dilations[1]]])};`,
    ...(out
      ? [
          ...block(`if (${outsideTest('in_w', input[1], step[1])})`, [
            `${prefix}fill(${work.zeroIn}, ${tap}, ${inner}, ${to}, ${stepOf(work.rows)});`,
            'continue;',
          ]),
        ]
      : []),
    copy,
  ];
  const taps = loop('k_w', kernel[1], one);
  if (!whole || input[1] < kernel[1]) return taps;
  return [...block(`if (left >= 0 && left <= ${input[1] - kernel[1]})`, [run, 'continue;']), ...taps];
}

/** Products of rows. */
export const productRule: OperatorRule = {
  covers: 'integer layer',
  inputs: ['x'],
  types: ['int8'],
  work: (layer) => workOf(layer, 'products').macs,
  scratch: (layer) => scratchBytes(workOf(layer, 'products')),
  write: writeProducts,
};

/** A depthwise convolution plane by plane. */
function writePlanes(desk: Desk, { shape, band }: NonNullable<DepthwiseWork['planes']>): Lines {
  const { geometry, scaling, weights, zeroIn } = workOf(desk.layer, 'depthwise');
  const { batch, channels, input, output, kernel, strides, begins } = geometry;
  need(desk, 'int8_dsp', 'int8_scale', 'int8_within', 'int8_scaling', 'int8_depthwise_planes');
  const rows = desk.define(planeRowsName(shape), planeRowsText(shape));
  const [x, y, prefix] = [desk.input(0), desk.output(), prefixOf(desk)];
  const sizes = [input, output, begins].map((pair) => `{${pair.join(', ')}}`).join(', ');
  const name = desk.constant('weights', 'int8', weights, true);
  const at = (base: string, [high, wide]: readonly [number, number]): string =>
    batch === 1 ? base : `${base} + n * ${high * wide * channels}`;
  const more = [strides[0], spanOf(geometry), shape.wide, band, kernel[0] * kernel[1]].join(', ');
  return [
    ...scalingText(desk, 'scaling', scaling),
    `static const ${prefix}planes window = {${sizes}, ${more}};`,
    `int16_t *const planes = (int16_t *)(void *)${desk.scratch()};`,
    ...loop('n', batch, [
      `${prefix}depthwise_planes(${at(x, input)}, &window, ${zeroIn}, ${name}, &scaling, planes, ${at(y, output)}, ${rows});`,
    ]),
  ];
}

/** Bytes of a band of four planes, or of one. */
const planeBytes = ({ geometry, planes }: DepthwiseWork): number =>
  2 * planesAtOnce(geometry) * planes!.shape.wide * ((planes!.band - 1) * geometry.strides[0] + spanOf(geometry));

/** Depthwise convolution: four channels at a time, two taps at a time; taps outside the input are read from a blank place. */
function writeTaps(desk: Desk): Lines {
  const { geometry, scaling, weights, zeroIn } = workOf(desk.layer, 'depthwise');
  const { batch, channels, input, output, kernel, strides, dilations, begins } = geometry;
  need(desk, 'int8_dsp', 'int8_scale', 'int8_within', 'int8_scaling', 'int8_depthwise');
  const prefix = prefixOf(desk);
  const taps = kernel[0] * kernel[1];
  const pairs = Math.ceil(taps / 2);
  const name = desk.constant('weights', 'int16', weights, true);
  const edges = hasEdges(geometry);
  const top = (axis: 0 | 1, variable: string): string =>
    indexText(begins[axis] === 0 ? 0 : -begins[axis], [[variable, strides[axis]]]);
  const at = `${desk.input(0)} + ((n * ${input[0]} + in_h) * ${input[1]} + in_w) * ${channels}`;
  const inside = `in_h >= 0 && in_h < ${input[0]} && in_w >= 0 && in_w < ${input[1]}`;
  const collect = loop(
    'k_h',
    kernel[0],
    loop('k_w', kernel[1], [
      `const int32_t in_h = ${indexText('top', [['k_h', dilations[0]]])};`,
      `const int32_t in_w = ${indexText('left', [['k_w', dilations[1]]])};`,
      `taps[k_h * ${kernel[1]} + k_w] = ${edges ? `(${inside}) ? (${at}) : blank` : at};`,
    ]),
  );
  return [
    ...scalingText(desk, 'scaling', scaling),
    `const int8_t *taps[${2 * pairs}];`,
    ...(edges ? [`int8_t *const blank = ${desk.scratch()};`, `memset(blank, ${zeroIn}, ${channels});`] : []),
    ...loop(
      'n',
      batch,
      loop('out_h', output[0], [
        `const int32_t top = ${top(0, 'out_h')};`,
        ...loop('out_w', output[1], [
          `const int32_t left = ${top(1, 'out_w')};`,
          ...collect,
          ...(taps % 2 === 1 ? [`taps[${taps}] = taps[0]; /* its weights are zero */`] : []),
          `${prefix}depthwise(taps, ${pairs}, ${name}, &scaling, ${desk.output()} + ((n * ${output[0]} + out_h) * ${output[1]} + out_w) * ${channels});`,
        ]),
      ]),
    ),
  ];
}

const hasEdges = (geometry: Geometry): boolean => leaves(geometry, 0) || leaves(geometry, 1);

/** Depthwise convolution. */
export const depthwiseRule: OperatorRule = {
  covers: 'integer layer',
  inputs: ['x'],
  types: ['int8'],
  work: (layer) => workOf(layer, 'depthwise').macs,
  scratch: (layer) => {
    const work = workOf(layer, 'depthwise');
    if (work.planes) return planeBytes(work);
    return hasEdges(work.geometry) ? work.geometry.channels : 0;
  },
  write: (desk) => {
    const { planes } = workOf(desk.layer, 'depthwise');
    return planes ? writePlanes(desk, planes) : writeTaps(desk);
  },
};
