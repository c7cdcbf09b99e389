// Numbers as coordinates: every numeric dimension maps to [0, 1], in the logarithm where asked; whole numbers own equal cells (widened by half a step).
import type { Random } from '@sanderling/kit';
import type { Dimension, FloatDimension, IntDimension, ParamValue } from './dimension.ts';
import { isActive, type Parameter, type Params, type AnySpace } from './space.ts';

/** A dimension with an order. */
export type Numeric = IntDimension | FloatDimension;

/** Ends of the interval that [0, 1] stands for, in the logarithm where asked. */
export function interval(dimension: Numeric): readonly [number, number] {
  const margin = dimension.kind === 'int' ? dimension.step / 2 : 0;
  const ends = [dimension.low - margin, dimension.high + margin] as const;
  return dimension.log ? [Math.log(Math.max(ends[0], dimension.low / 2)), Math.log(ends[1])] : ends;
}

/** The coordinate of a value: the middle of its cell. */
export function toUnit(dimension: Numeric, value: number): number {
  const [low, high] = interval(dimension);
  if (low === high) return 0.5;
  return ((dimension.log ? Math.log(value) : value) - low) / (high - low);
}

/** The value at a coordinate; coordinates outside [0, 1] give the nearest end. */
export function fromUnit(dimension: Numeric, unit: number): number {
  const [low, high] = interval(dimension);
  const place = low + Math.min(1, Math.max(0, unit)) * (high - low);
  const value = dimension.log ? Math.exp(place) : place;
  const { kind, low: least, high: most } = dimension;
  const onGrid = kind === 'int' ? least + Math.round((value - least) / dimension.step) * dimension.step : value;
  return Math.min(most, Math.max(least, onGrid));
}

/** A value with every cell equally likely. */
export function drawValue(dimension: Dimension, random: Random): ParamValue {
  return dimension.kind === 'choice' ? random.pick(dimension.options) : fromUnit(dimension, random.next());
}

/** A sample, parameter by parameter in the space's order; `draw` is asked only where the parameter exists. */
export function buildParams(space: AnySpace, draw: (parameter: Parameter) => ParamValue): Params {
  const params: Record<string, ParamValue> = {};
  for (const parameter of space.parameters) if (isActive(parameter, params)) params[parameter.name] = draw(parameter);
  return Object.freeze(params);
}

/** A uniform sample of the space. */
export function drawParams(space: AnySpace, random: Random): Params {
  return buildParams(space, (parameter) => drawValue(parameter, random));
}
