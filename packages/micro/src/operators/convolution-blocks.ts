// Convolutions with constant weights: several output channels are summed at once, where the window lies inside the input four places of each; the taps of a row
// are written out. Only places at the edge ask which of their taps lie inside, once per place.
import { block, indexText, indented, loop, type Lines } from '../emit/c-text.ts';
import { stridesOf, type Layer } from '../ir.ts';
import { blockSizes, interleaved } from './blocks.ts';
import { planewise } from './convolution-planes.ts';
import {
  insideOf,
  isWhole,
  join,
  overSamples,
  overTaps,
  places,
  shapeOf,
  times,
  type Shape,
} from './convolution-shape.ts';
import { inputOf, outputOf, type Desk } from './rule.ts';
import { axisName, type Window } from './window.ts';

/** Taps of the last axis up to this many are written out one by one. */
const mostTapsWritten = 5;

/** Neighbouring places inside that are summed at once: as many as leave registers for weights and inputs. */
const placesAtOnce = [4, 2];

/** Whether this file writes a convolution: its weights must be known. */
export function hasBlocks(layer: Layer): boolean {
  return inputOf(layer, 1).data !== undefined;
}

/** y[n, m, p] = b[m] + Σ over c in the group and taps t of w[m, c, t] · x[n, c, p·stride − pad + t·dilation]. */
export function writeBlocks(desk: Desk): Lines {
  const shape = shapeOf(desk);
  const body = shape.channels === 1 && shape.groups > 1 ? planewise(shape) : blockwise(shape);
  return overSamples(desk, shape.type, body);
}

/** Input place of a tap along all axes but the last, times their strides, as terms. */
function rowTerms(window: Window): { input: string; kernel: string } {
  const rank = window.output.length;
  const [inputs, kernels] = [stridesOf(window.input), stridesOf(window.kernel)];
  const terms = window.kernel.slice(0, -1).map((_, axis) => {
    const name = axisName(axis, rank);
    const tap = indexText(`top_${name}`, [[`k_${name}`, window.dilations[axis]!]]);
    return { input: `(${tap}) * ${inputs[axis]}`, kernel: indexText(0, [[`k_${name}`, kernels[axis]!]]) };
  });
  return { input: terms.map((t) => t.input).join(' + '), kernel: terms.map((t) => t.kernel).join(' + ') };
}

/** Blocks of output channels. */
export function blockwise(shape: Shape): Lines {
  const { desk, groups, channels, maps, taps, type, plane, outPlane } = shape;
  const { size, full, rest } = blockSizes(maps);
  const depth = channels * taps;
  const packed = Array.from({ length: groups }, (_, g) =>
    interleaved({ rows: maps, depth, at: (row, k) => shape.weightAt(g, row, k) }, size),
  ).flatMap((part) => [...part]);
  const name = desk.constant(shape.stem, outputOf(desk.layer).dtype, packed);
  const first = groups === 1 ? '' : `g * ${maps}`;
  const one = (map: string, width: number): Lines => [
    `const ${type} *const w = ${join(name, times(join(first, map), depth))};`,
    ...overOutput(shape, { map: join(first, map), width, outPlane }),
  ];
  const inGroup = [
    ...(groups === 1 ? [] : [`const ${type} *const x_g = ${shape.x} + g * ${channels * plane};`]),
    ...(full > size
      ? block(`for (int32_t m = 0; m < ${full}; m += ${size})`, one('m', size))
      : full > 0
        ? ['{', ...indented(one('0', size)), '}']
        : []),
    ...(rest > 0 ? ['{', ...indented(one(String(full), rest)), '}'] : []),
  ];
  return groups === 1 ? inGroup : loop('g', groups, inGroup);
}

interface Block {
  /** Its first output channel, as C. */
  readonly map: string;
  readonly width: number;
  readonly outPlane: number;
}

/** All places of a block of output channels. */
function overOutput(shape: Shape, of: Block): Lines {
  const { window } = shape;
  const rank = window.output.length;
  const last = rank - 1;
  const name = axisName(last, rank);
  const [begin, end] = insideOf(window, last);
  const alone = [...places(window, last), ...sums(shape, of, { count: 1, all: isWhole(window, last) })];
  const together = (count: number): Lines => [places(window, last)[0]!, ...sums(shape, of, { count, all: true })];
  const size = window.output[last]!;
  const groups = placesAtOnce.filter((count) => count <= end - begin);
  const branches = groups.map((count) => {
    const inside = [...(begin > 0 ? [`out_${name} >= ${begin}`] : []), `out_${name} + ${count} <= ${end}`].join(' && ');
    return { inside, lines: [...together(count), `out_${name} += ${count};`] };
  });
  const along =
    branches.length === 0
      ? loop(`out_${name}`, size, alone)
      : [
          `int32_t out_${name} = 0;`,
          ...block(`while (out_${name} < ${size})`, [
            ...branches.flatMap(({ inside, lines }, i) => [
              `${i === 0 ? '' : '} else '}if (${inside}) {`,
              ...indented(lines),
            ]),
            '} else {',
            ...indented([...alone, `out_${name} += 1;`]),
            '}',
          ]),
        ];
  return window.output
    .slice(0, last)
    .reduceRight<Lines>(
      (lines, rows, axis) => loop(`out_${axisName(axis, rank)}`, rows, [...places(window, axis), ...lines]),
      along,
    );
}

const sum = (map: number, place: number): string => `${'stqr'[place]}${map}`;
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** The sums of `count` neighbouring places of a block, and where they go; `all`: all taps of the last axis lie inside. */
function sums(shape: Shape, { map, width, outPlane }: Block, { count, all }: { count: number; all: boolean }): Lines {
  const { window, type, channels, taps, plane, y, into } = shape;
  const rank = window.output.length;
  const name = axisName(rank - 1, rank);
  const row = rowTerms(window);
  const x = shape.groups === 1 ? shape.x : 'x_g';
  const pairs = range(count).flatMap((place) => range(width).map((one) => ({ place, one })));
  const channel = channels === 1 ? '' : times('c', plane);
  const at = join(channels === 1 ? row.kernel : join(times('c', taps), row.kernel));
  const inner = [
    `const ${type} *const from = ${join(x, channel, row.input, all ? `top_${name}` : '')};`,
    ...tapLines(shape, { pairs, width, all, at }),
  ];
  const overRows = window.kernel
    .slice(0, -1)
    .reduceRight<Lines>((lines, _, axis) => overTaps(window, axis, { all: false, lines }), inner);
  const places = into.steps.map((step, axis) => [`out_${axisName(axis, rank)}`, step] as const);
  return [
    ...pairs.map(
      ({ place, one }) => `${type} ${sum(one, place)} = ${shape.bias(join(map, one === 0 ? '' : String(one)))};`,
    ),
    ...(channels === 1 ? overRows : loop('c', channels, overRows)),
    `${type} *const to = ${join(y, times(map === '0' ? '' : map, outPlane), indexText(into.offset, places))};`,
    ...pairs.map(({ place, one }) => `to[${one * outPlane + place * into.steps.at(-1)!}] = ${sum(one, place)};`),
  ];
}

interface Taps {
  readonly pairs: readonly { readonly place: number; readonly one: number }[];
  readonly width: number;
  readonly all: boolean;
  /** Index of the row's first weight in units of a block. */
  readonly at: string;
}

/** The multiply-accumulates of one row of taps. */
function tapLines({ window, type }: Shape, { pairs, width, all, at }: Taps): Lines {
  const last = window.kernel.length - 1;
  const [kernel, step, stride] = [window.kernel[last]!, window.dilations[last]!, window.strides[last]!];
  const name = axisName(last, window.output.length);
  const here = at === '0' ? 'w' : `w + ${times(at, width)}`;
  if (all && kernel <= mostTapsWritten)
    return [
      ...(here === 'w' ? [] : [`const ${type} *const v = ${here};`]),
      ...range(kernel).flatMap((tap) =>
        pairs.map(
          ({ place, one }) =>
            `${sum(one, place)} += ${here === 'w' ? 'w' : 'v'}[${tap * width + one}] * from[${tap * step + place * stride}];`,
        ),
      ),
    ];
  const body = [
    `const ${type} *const v = ${join(here, times(`k_${name}`, width))};`,
    ...pairs.map(
      ({ place, one }) =>
        `${sum(one, place)} += v[${one}] * from[${indexText(all ? 0 : `top_${name}`, [[`k_${name}`, step]])}${place === 0 ? '' : ` + ${place * stride}`}];`,
    ),
  ];
  return overTaps(window, last, { all, lines: body });
}
