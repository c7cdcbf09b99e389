// Attributes as one writes them: plain numbers, texts and lists, turned into typed attributes.
import { SanderlingError } from '@sanderling/kit';
import type { Attribute, Graph, Tensor } from './ir.ts';

/**
 * An attribute as written in code. A plain number becomes a float for the attributes that ONNX defines as float (`alpha`, `epsilon` …) and an
 * integer otherwise; a fraction is always a float. Use `{ type: 'float', value }` for custom domains where that guess is wrong.
 */
export type AttributeInput =
  | number
  | bigint
  | string
  | readonly number[]
  | readonly bigint[]
  | readonly string[]
  | Tensor
  | Graph
  | Attribute
  | undefined;

/** Attributes that the ONNX operators define as float or list of floats. The one name of both kinds is `seed`: an integer in Dropout. */
const floatNames: ReadonlySet<string> = new Set(
  (
    'alpha beta bias clip cubic_coeff_a default_float epsilon extrapolation_value gamma high lambd low max mean min momentum ' +
    'norm_coefficient ratio scale seed softcap spatial_scale value_float decay_factor activation_alpha activation_beta ' +
    'scales value_floats threshold'
  ).split(' '),
);

/** Typed attributes from written ones; undefined ones are left out. @throws INVALID_ARGUMENT for what cannot be an attribute. */
export function attributesFrom(
  written: Readonly<Record<string, AttributeInput>>,
  opType = '',
): Readonly<Record<string, Attribute>> {
  const entries = Object.entries(written).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, attributeFrom(name, value, opType)]));
}

function attributeFrom(name: string, value: AttributeInput, opType: string): Attribute {
  if (name === 'seed' && opType === 'Dropout') return { type: 'int', value: value as number };
  if (typeof value === 'number') return number(name, value);
  if (typeof value === 'bigint') return { type: 'int', value };
  if (typeof value === 'string') return { type: 'string', value };
  if (Array.isArray(value)) return list(name, value as readonly unknown[]);
  if (value && typeof value === 'object') {
    if ('nodes' in value) return { type: 'graph', value };
    if ('dims' in value) return { type: 'tensor', value: value };
    if ('type' in value) return value;
  }
  throw new SanderlingError('INVALID_ARGUMENT', `the attribute "${name}" is ${typeof value}`, { where: name });
}

function number(name: string, value: number): Attribute {
  return { type: floatNames.has(name) || !Number.isInteger(value) ? 'float' : 'int', value };
}

function list(name: string, values: readonly unknown[]): Attribute {
  if (values.length > 0 && values.every((value) => typeof value === 'string'))
    return { type: 'strings', value: values };
  const numbers = values as readonly (number | bigint)[];
  const float = floatNames.has(name) || numbers.some((value) => typeof value === 'number' && !Number.isInteger(value));
  return float ? { type: 'floats', value: numbers.map(Number) } : { type: 'ints', value: [...numbers] };
}
