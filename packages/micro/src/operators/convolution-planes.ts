// Depthwise convolutions: every output channel reads one plane. Inside, up to eight neighbouring places are summed at once, since they share weights and
// elements; the few columns at the edges are written with the taps that they have.
import { block, indexText, indented, loop, type Lines } from '../emit/c-text.ts';
import { stridesOf } from '../ir.ts';
import { insideOf, join, overTaps, places, times, type Shape } from './convolution-shape.ts';
import { axisName, type Window } from './window.ts';

/** Taps of the last axis, and columns at each edge, up to this many are written out one by one. */
const mostWritten = 5;

/** Neighbouring places inside that are summed at once. */
const placesAtOnce = 8;

/** Places of a row that are summed in one pass at most. */
const mostSums = 8;

/** A place of a row and the taps first … end − 1 that it has. `column` counts from the run's own. */
interface Place {
  readonly column: number;
  readonly first: number;
  readonly end: number;
}

/** Places of a row that are summed in one pass. `from`: C name of the column that theirs count from; none if they are absolute. */
interface Run {
  readonly from: string;
  readonly places: readonly Place[];
}

/** y[m, p] = b[m] + Σ over taps t of w[m, t] · x[m / maps, p·stride − pad + t·dilation]. */
export function planewise(shape: Shape): Lines {
  const { desk, groups, maps, taps, type, window, plane, outPlane, x, y } = shape;
  const rank = window.output.length;
  const last = rank - 1;
  const along = canWrite(window) ? writtenColumns(shape) : askedColumns(shape);
  const overRows = window.output
    .slice(0, last)
    .reduceRight<Lines>(
      (lines, count, axis) => loop(`out_${axisName(axis, rank)}`, count, [...places(window, axis), ...lines]),
      along,
    );
  return loop('m', groups * maps, [
    `const ${type} *const from = ${x} + ${times(maps === 1 ? 'm' : `(m / ${maps})`, plane)};`,
    `const ${type} *const w = ${desk.input(1)} + ${times('m', taps)};`,
    `const ${type} start = ${shape.bias('m')};`,
    `${type} *const to = ${y} + ${times('m', outPlane)};`,
    ...overRows,
  ]);
}

/** Few taps and edges, and some tap that lies inside. */
function canWrite(window: Window): boolean {
  const last = window.output.length - 1;
  const [begin, end] = insideOf(window, last);
  const columns = window.output[last]!;
  const few = window.kernel[last]! <= mostWritten && begin <= mostWritten && columns - end <= mostWritten;
  return (
    few && Array.from({ length: columns }, (_, column) => placeAt(window, column)).some((one) => one.end > one.first)
  );
}

/** The columns of a row: groups inside, and in one pass those of both edges and what the groups leave. */
function writtenColumns(shape: Shape): Lines {
  const { window } = shape;
  const last = window.output.length - 1;
  const name = `out_${axisName(last, window.output.length)}`;
  const [begin, end] = insideOf(window, last);
  const columns = window.output[last]!;
  const groups = columns <= mostSums ? 0 : Math.floor((end - begin) / placesAtOnce);
  const looped = groups > 1 ? groups * placesAtOnce : 0;
  const others = Array.from({ length: columns }, (_, column) => column).filter(
    (column) => column < begin || column >= begin + looped,
  );
  const inside: Run = {
    from: name,
    places: Array.from({ length: placesAtOnce }, (_, column) => ({ column, first: 0, end: window.kernel[last]! })),
  };
  const main =
    looped > 0
      ? block(
          `for (int32_t ${name} = ${begin}; ${name} < ${begin + looped}; ${name} += ${placesAtOnce})`,
          sumsOf(shape, inside),
        )
      : [];
  const parts = Array.from({ length: Math.ceil(others.length / mostSums) }, (_, i) =>
    others.slice(i * mostSums, (i + 1) * mostSums),
  );
  const rest = parts.map((part) => sumsOf(shape, { from: '', places: part.map((column) => placeAt(window, column)) }));
  return [
    ...main,
    ...(main.length === 0 && rest.length === 1 ? rest[0]! : rest.flatMap((lines) => ['{', ...indented(lines), '}'])),
  ];
}

/** A column and the taps that it has. */
function placeAt({ input, kernel, strides, dilations, begins }: Window, column: number): Place {
  const last = kernel.length - 1;
  const top = column * strides[last]! - begins[last]!;
  const step = dilations[last]!;
  const first = Math.min(kernel[last]!, Math.max(0, Math.ceil(-top / step)));
  const end = Math.max(first, Math.min(kernel[last]!, Math.ceil((input[last]! - top) / step)));
  return { column, first, end };
}

/** The sums of a run of places. */
function sumsOf(shape: Shape, { from, places: columns }: Run): Lines {
  const { window, type } = shape;
  const rank = window.output.length;
  const last = rank - 1;
  const [step, stride, begin] = [window.dilations[last]!, window.strides[last]!, window.begins[last]!];
  const [inputs, kernels] = [stridesOf(window.input), stridesOf(window.kernel)];
  const outer = window.kernel.slice(0, last).map((_, axis) => axisName(axis, rank));
  const row = outer.map((name, axis) =>
    times(indexText(`top_${name}`, [[`k_${name}`, window.dilations[axis]!]]), inputs[axis]!),
  );
  const lead = from === '' ? 0 : begin;
  const at = join('from', ...row, times(from, stride));
  const weights = join('w', ...outer.map((name, axis) => times(`k_${name}`, kernels[axis]!)));
  const steps = Array.from({ length: window.kernel[last]! }, (_, tap) =>
    columns.flatMap(({ column, first, end }, i) =>
      tap >= first && tap < end ? [`s${i} += v[${tap}] * at[${column * stride + tap * step - begin + lead}];`] : [],
    ),
  ).flat();
  const taps = outer.reduceRight<Lines>(
    (lines, _, axis) => overTaps(window, axis, { all: false, lines }),
    [
      `const ${type} *const at = ${at}${lead === 0 ? '' : ` - ${lead}`};`,
      `const ${type} *const v = ${weights};`,
      ...steps,
    ],
  );
  const line = indexText(
    0,
    outer.map((name, axis) => [`out_${name}`, stridesOf(window.output)[axis]!] as const),
  );
  return [
    ...columns.map((_, i) => `${type} s${i} = start;`),
    ...(steps.length === 0 ? [] : taps),
    ...columns.map(({ column }, i) => `to[${join(line, from, column === 0 ? '' : String(column))}] = s${i};`),
  ];
}

/** Wide kernels: every place asks which of its taps lie inside. */
function askedColumns({ window, type }: Shape): Lines {
  const rank = window.output.length;
  const last = rank - 1;
  const name = axisName(last, rank);
  const [inputs, kernels, outputs] = [stridesOf(window.input), stridesOf(window.kernel), stridesOf(window.output)];
  const tapsAt = window.kernel.map((_, axis) => {
    const one = axisName(axis, rank);
    return times(indexText(`top_${one}`, [[`k_${one}`, window.dilations[axis]!]]), inputs[axis]!);
  });
  const weight = window.kernel.map((_, axis) => [`k_${axisName(axis, rank)}`, kernels[axis]!] as const);
  const place = window.output.map((_, axis) => [`out_${axisName(axis, rank)}`, outputs[axis]!] as const);
  return loop(`out_${name}`, window.output[last]!, [
    ...places(window, last),
    `${type} sum = start;`,
    ...window.kernel.reduceRight<Lines>(
      (lines, _, axis) => overTaps(window, axis, { all: false, lines }),
      [`sum += w[${indexText(0, weight)}] * from[${join(...tapsAt)}];`],
    ),
    `to[${indexText(0, place)}] = sum;`,
  ]);
}
