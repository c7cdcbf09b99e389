// Transposed convolutions with constant weights: the output places of one remainder by the stride read the same taps, so that each such phase is a plain convolution
// with part of the kernel, turned round, whose results go to every stride-th place.
import { intsAttribute, toNumbers } from '@sanderling/onnx';
import { indented, loop, type Lines } from '../emit/c-text.ts';
import { stridesOf } from '../ir.ts';
import { blockwise } from './convolution-blocks.ts';
import { namesOf, overSamples } from './convolution-shape.ts';
import { inputOf, outputOf, productOf, type Desk } from './rule.ts';
import { groupsOf } from './window.ts';

/** More phases than this would be more code than they are worth. */
const mostPhases = 9;

/** One remainder along one axis. */
interface Phase {
  readonly remainder: number;
  /** Output places of this remainder. */
  readonly count: number;
  /** Taps in the order of the input places that they read, those from `-begin` on in steps of `dilation`. */
  readonly taps: readonly number[];
  readonly begin: number;
  readonly dilation: number;
}

/** Place o = count · stride + remainder reads input (o + pad − tap · dilation) / stride wherever that is whole. */
function phasesOf(sizes: {
  kernel: number;
  output: number;
  stride: number;
  dilation: number;
  pad: number;
}): readonly Phase[] {
  const { kernel, output, stride, dilation, pad } = sizes;
  return Array.from({ length: Math.min(stride, output) }, (_, remainder): Phase => {
    const reach = (tap: number): number => (remainder + pad - tap * dilation) / stride;
    const taps = Array.from({ length: kernel }, (_, tap) => tap)
      .filter((tap) => Number.isInteger(reach(tap)))
      .toReversed();
    const count = Math.ceil((output - remainder) / stride);
    const step = taps.length > 1 ? reach(taps[1]!) - reach(taps[0]!) : 1;
    return { remainder, count, taps, begin: taps.length > 0 ? -reach(taps[0]!) : 0, dilation: step };
  });
}

/** All combinations of one phase of each axis. */
function combined(axes: readonly (readonly Phase[])[]): readonly (readonly Phase[])[] {
  return axes.reduce<readonly (readonly Phase[])[]>(
    (found, phases) => found.flatMap((before) => phases.map((phase) => [...before, phase])),
    [[]],
  );
}

/** y = b + Σ over input channels and taps; undefined where this way does not fit. `begins`: padding at the begin of each axis. */
export function writePhases(desk: Desk, begins: readonly number[]): Lines | undefined {
  const { layer } = desk;
  const [w, out] = [inputOf(layer, 1), outputOf(layer)];
  const kernel = w.dims.slice(2);
  const strides = intsAttribute(layer.node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsAttribute(layer.node, 'dilations') ?? kernel.map(() => 1);
  if (!w.data || productOf(strides) > mostPhases) return undefined;
  const axes = kernel.map((size, axis) =>
    phasesOf({
      kernel: size,
      output: out.dims[axis + 2]!,
      stride: strides[axis]!,
      dilation: dilations[axis]!,
      pad: begins[axis]!,
    }),
  );
  if (axes.some((phases) => phases.every(({ taps }) => taps.length === 0))) return undefined;
  const names = namesOf(desk);
  const body = combined(axes).flatMap(
    (phases): Lines => ['{', ...indented(phaseText(desk, names, { phases, strides })), '}'],
  );
  return overSamples(desk, names.type, body);
}

interface PhaseParts {
  readonly phases: readonly Phase[];
  readonly strides: readonly number[];
}

function phaseText(desk: Desk, names: ReturnType<typeof namesOf>, { phases, strides }: PhaseParts): Lines {
  const { layer } = desk;
  const [x, w, out] = [inputOf(layer, 0), inputOf(layer, 1), outputOf(layer)];
  const [input, output, kernel] = [x.dims.slice(2), out.dims.slice(2), w.dims.slice(2)];
  const groups = groupsOf(layer);
  const [channels, maps] = [x.dims[1]! / groups, out.dims[1]! / groups];
  const outSteps = stridesOf(output);
  const into = {
    steps: outSteps.map((step, axis) => step * strides[axis]!),
    offset: outSteps.reduce((sum, step, axis) => sum + step * phases[axis]!.remainder, 0),
  };
  const counts = phases.map(({ count }) => count);
  const shape = { ...names, groups, channels, maps, plane: productOf(input), outPlane: productOf(output), into };
  const label = phases.map(({ remainder }) => remainder).join('_');
  const text = `/* Places of remainder ${phases.map(({ remainder }, axis) => `${remainder} of ${strides[axis]}`).join(', ')}. */`;
  if (phases.some(({ taps }) => taps.length === 0)) return [text, ...biasAlone(shape, counts)];
  const sizes = phases.map(({ taps }) => taps.length);
  const [partSteps, kernelSteps] = [stridesOf(sizes), stridesOf(kernel)];
  const [elements, taps] = [toNumbers(w.data!), productOf(sizes)];
  const tapOf = (k: number): number =>
    phases.reduce(
      (at, phase, axis) =>
        at + phase.taps[Math.floor((k % taps) / partSteps[axis]!) % sizes[axis]!]! * kernelSteps[axis]!,
      0,
    );
  return [
    text,
    ...blockwise({
      ...shape,
      taps,
      stem: `blocks_${label}`,
      weightAt: (group, map, k) =>
        elements[((group * channels + Math.floor(k / taps)) * maps + map) * productOf(kernel) + tapOf(k)]!,
      window: {
        input,
        output: counts,
        kernel: sizes,
        strides: sizes.map(() => 1),
        dilations: phases.map(({ dilation }) => dilation),
        begins: phases.map(({ begin }) => begin),
        ends: sizes.map(() => 0),
      },
    }),
  ];
}

interface Target extends ReturnType<typeof namesOf> {
  readonly groups: number;
  readonly maps: number;
  readonly outPlane: number;
  readonly into: { readonly steps: readonly number[]; readonly offset: number };
}

/** A phase that no tap reaches. */
function biasAlone({ y, bias, groups, maps, outPlane, into }: Target, counts: readonly number[]): Lines {
  const place = into.steps.map((step, axis) => `p${axis} * ${step}`).join(' + ');
  const put = [`${y}[m * ${outPlane} + ${into.offset} + ${place}] = ${bias('m')};`];
  const overPlaces = counts.reduceRight<Lines>((lines, count, axis) => loop(`p${axis}`, count, lines), put);
  return loop('m', groups * maps, overPlaces);
}
