// Resize and Upsample: since sizes are known, each axis becomes a table of source places (and weights) worked out here.
import { floatsAttribute, intAttribute, intsAttribute, stringAttribute } from '@sanderling/onnx';
import { indexText, loop, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf, type Layer } from '../ir.ts';
import { unsupported } from '../problems.ts';
import { axisOf, constantOf, floats, inputOf, numbers, outputOf, type Desk, type OperatorRule } from './rule.ts';

/** One axis: sizes and scale = out / in as the model says it. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
}

const f32 = Math.fround;

/** (place + 1/2) / scale in float32. */
const centre = (place: number, scale: number): number => f32(f32(place + 0.5) / scale);

/** Output place → input coordinate (ONNX Resize, coordinate_transformation_mode), in float32 step by step as ONNX Runtime does: elsewhere a coordinate lands on another place. */
const coordinates: Readonly<Record<string, (place: number, axis: Axis) => number>> = {
  half_pixel: (place, { scale }) => f32(centre(place, scale) - 0.5),
  half_pixel_symmetric: (place, { from, to, scale }) => {
    const adjustment = f32(to / f32(scale * from));
    return f32(f32(f32((from / 2) * f32(1 - adjustment)) + centre(place, scale)) - 0.5);
  },
  pytorch_half_pixel: (place, { to, scale }) => (to > 1 ? f32(centre(place, scale) - 0.5) : 0),
  tf_half_pixel_for_nn: (place, { scale }) => centre(place, scale),
  align_corners: (place, { from, to }) => (to === 1 ? 0 : f32(f32(place * (from - 1)) / (to - 1))),
  asymmetric: (place, { scale }) => f32(place / scale),
};

/** Coordinate → place (nearest_mode). */
const roundings: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

function modeOf({ node, operator, opset }: Layer): { mode: string; coordinate: string; nearest: string } {
  const old = operator === 'Upsample' || opset < 11;
  return {
    mode: stringAttribute(node, 'mode', 'nearest'),
    coordinate: stringAttribute(node, 'coordinate_transformation_mode', old ? 'asymmetric' : 'half_pixel'),
    nearest: stringAttribute(node, 'nearest_mode', old ? 'floor' : 'round_prefer_floor'),
  };
}

function axesOf(layer: Layer): readonly Axis[] {
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const old = layer.operator === 'Upsample' || layer.opset < 11;
  const scales = (old ? constantOf(layer, 1) : constantOf(layer, 2)) ?? floatsAttribute(layer.node, 'scales') ?? [];
  const named = intsAttribute(layer.node, 'axes') ?? x.dims.map((_, axis) => axis);
  const axes = named.map((axis) => axisOf(layer, axis, x.dims.length));
  const policy = stringAttribute(layer.node, 'keep_aspect_ratio_policy', 'stretch');
  const sizes = old ? undefined : constantOf(layer, 3);
  const ratios = axes.map((axis, i) => (sizes?.[i] ?? out.dims[axis]!) / x.dims[axis]!);
  const kept =
    policy === 'not_larger' ? Math.min(...ratios) : policy === 'not_smaller' ? Math.max(...ratios) : undefined;
  return x.dims.map((from, axis) => {
    const i = axes.indexOf(axis);
    const plain = out.dims[axis]! / from;
    const scale = i < 0 ? 1 : ((scales.length > 0 ? scales[i] : kept) ?? plain);
    return { from, to: out.dims[axis]!, scale: f32(scale) };
  });
}

const within = (place: number, size: number): number => Math.min(Math.max(place, 0), size - 1);

/** Loops over the output with the row-major index built up; `at` names the loop variable of an axis. */
function overOutput(dims: readonly number[], body: Lines): Lines {
  return dims.reduceRight<Lines>((lines, size, axis) => (size === 1 ? lines : loop(`i${axis}`, size, lines)), body);
}

const place = (dims: readonly number[], strides: readonly number[]): string =>
  indexText(
    0,
    dims.map((size, axis) => [`i${axis}`, size === 1 ? 0 : strides[axis]!] as const),
  );

function writeNearest(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const { coordinate, nearest } = modeOf(layer);
  const strides = stridesOf(x.dims);
  const terms = axesOf(layer).map((axis, i) => {
    if (axis.from === axis.to && axis.scale === 1) return axis.to === 1 ? '0' : indexText(0, [[`i${i}`, strides[i]!]]);
    const places = Array.from(
      { length: axis.to },
      (_, at) => within(roundings[nearest]!(coordinates[coordinate]!(at, axis)), axis.from) * strides[i]!,
    );
    return `${desk.constant(`from_${i}`, 'int32', places)}[${axis.to === 1 ? '0' : `i${i}`}]`;
  });
  const from = terms.filter((term) => term !== '0').join(' + ') || '0';
  return overOutput(out.dims, [
    `${desk.output()}[${place(out.dims, stridesOf(out.dims))}] = ${desk.input(0)}[${from}];`,
  ]);
}

/** Weighted mean of the 2^r neighbours along the r axes that change. */
function writeLinear(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const { coordinate } = modeOf(layer);
  const strides = stridesOf(x.dims);
  const { c } = elementTypes[x.dtype];
  let corners: readonly { readonly at: readonly string[]; readonly weight: readonly string[] }[] = [
    { at: [], weight: [] },
  ];
  const locals: string[] = [];
  for (const [i, axis] of axesOf(layer).entries()) {
    if (axis.from === axis.to && axis.scale === 1) {
      if (axis.to > 1)
        corners = corners.map(({ at, weight }) => ({ at: [...at, indexText(0, [[`i${i}`, strides[i]!]])], weight }));
      continue;
    }
    const points = Array.from({ length: axis.to }, (_, at) => within(coordinates[coordinate]!(at, axis), axis.from));
    const low = points.map(Math.floor);
    const lowName = desk.constant(
      `low_${i}`,
      'int32',
      low.map((at) => at * strides[i]!),
    );
    const highName = desk.constant(
      `high_${i}`,
      'int32',
      low.map((at) => within(at + 1, axis.from) * strides[i]!),
    );
    const part = desk.constant(
      `part_${i}`,
      x.dtype,
      points.map((point, at) => point - low[at]!),
    );
    const v = axis.to === 1 ? '0' : `i${i}`;
    locals.push(`const ${c} upper_${i} = ${part}[${v}];`, `const ${c} lower_${i} = (${c})1 - upper_${i};`);
    corners = corners.flatMap(({ at, weight }) => [
      { at: [...at, `${lowName}[${v}]`], weight: [...weight, `lower_${i}`] },
      { at: [...at, `${highName}[${v}]`], weight: [...weight, `upper_${i}`] },
    ]);
  }
  const terms = corners.map(({ at, weight }) => [...weight, `${desk.input(0)}[${at.join(' + ') || '0'}]`].join(' * '));
  return overOutput(out.dims, [
    ...locals,
    `${desk.output()}[${place(out.dims, stridesOf(out.dims))}] = ${terms.join('\n        + ')};`,
  ]);
}

function check(layer: Layer): void {
  const { node } = layer;
  const { mode, coordinate, nearest } = modeOf(layer);
  if (mode !== 'nearest' && mode !== 'linear' && mode !== 'bilinear')
    unsupported(node, `mode ${mode}`, 'use nearest or linear');
  if (mode !== 'nearest' && !floats.includes(inputOf(layer, 0).dtype))
    unsupported(node, `mode ${mode} on integers`, 'use nearest, or cast to float32');
  if (!Object.hasOwn(coordinates, coordinate))
    unsupported(node, `coordinates ${coordinate}`, `use ${Object.keys(coordinates).join(', ')}`);
  if (!Object.hasOwn(roundings, nearest))
    unsupported(node, `nearest_mode ${nearest}`, `use ${Object.keys(roundings).join(', ')}`);
  if (intAttribute(node, 'antialias', 0) === 1) unsupported(node, 'antialias', 'set antialias = 0');
  if (mode !== 'nearest' && axesOf(layer).filter(({ from, to }) => from !== to).length > 3)
    unsupported(node, 'interpolation along more than three axes', 'resize in two steps');
}

const resize: OperatorRule = {
  covers:
    'nearest and linear, constant scales or sizes, all coordinate modes but tf_crop_and_resize; without antialias',
  inputs: ['x', 'roi', 'scales', 'sizes'],
  types: numbers,
  constants: [2, 3],
  check,
  write: (desk) => (modeOf(desk.layer).mode === 'nearest' ? writeNearest(desk) : writeLinear(desk)),
};

/** Resizing. */
export const resizeOperators = {
  Resize: resize,
  Upsample: { ...resize, covers: 'nearest and linear, constant scales', inputs: ['x', 'scales'], constants: [1] },
} as const satisfies Record<string, OperatorRule>;
