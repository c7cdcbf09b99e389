// Checks JSON from outside against a schema that is plain data: the part of JSON Schema (draft 2020-12) that config files need.
// The first field that is wrong is named by its path, as in `streams[2].made.length`.
import { SanderlingError } from '@sanderling/kit';
import { shown } from '../options.ts';

/** A schema: plain JSON that editors understand too. */
export interface Shape {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly items?: Shape;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  /** What fields without a name in `properties` hold; false: there are none. @default false */
  readonly additionalProperties?: Shape | false;
  /** Told apart by type or, for objects, by which required fields are there. */
  readonly anyOf?: readonly Shape[];
  readonly default?: unknown;
}

/** Refuses what does not fit. @throws INVALID_CONFIG whose `where` is the path of the first wrong field */
export function checkShape(value: unknown, shape: Shape, path = ''): void {
  if (shape.anyOf !== undefined) checkShape(value, chosen(value, shape.anyOf, path), path);
  else if (shape.enum !== undefined) checkChoice(value, shape.enum, path);
  else checkTyped(value, shape, path);
}

function checkTyped(value: unknown, shape: Shape, path: string): void {
  switch (shape.type) {
    case 'object':
      return checkObject(value, shape, path);
    case 'array':
      return checkList(value, shape, path);
    case 'string':
      if (typeof value !== 'string') throw wrong(path, value, 'a text');
      if (value.length < (shape.minLength ?? 0)) throw wrong(path, value, 'a text that is not empty');
      return;
    case 'number':
    case 'integer':
      return checkNumber(value, shape, path);
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(path, value, 'true or false');
      return;
    case undefined:
      return;
  }
}

function checkChoice(value: unknown, choices: readonly string[], path: string): void {
  if (typeof value !== 'string' || !choices.includes(value)) throw wrong(path, value, `one of ${choices.join(', ')}`);
}

function checkNumber(value: unknown, { type, minimum = -Infinity, maximum = Infinity }: Shape, path: string): void {
  const whole = type === 'integer';
  const fits = whole ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (fits && (value as number) >= minimum && (value as number) <= maximum) return;
  const from = minimum === -Infinity ? '' : ` from ${minimum}`;
  throw wrong(path, value, `a ${whole ? 'whole ' : ''}number${from}${maximum === Infinity ? '' : ` to ${maximum}`}`);
}

function checkList(value: unknown, { items = {}, minItems = 0 }: Shape, path: string): void {
  if (!Array.isArray(value)) throw wrong(path, value, 'a list');
  if (value.length < minItems) throw wrong(path, value, `a list of at least ${minItems}`);
  value.forEach((item, i) => checkShape(item, items, `${path}[${i}]`));
}

function checkObject(value: unknown, shape: Shape, path: string): void {
  if (!isObject(value)) throw wrong(path, value, 'an object');
  const { properties = {}, required = [], additionalProperties = false } = shape;
  for (const [key, field] of Object.entries(value)) {
    const own = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (own === undefined || own === false) {
      const fix = `known here: ${Object.keys(properties).join(', ')}`;
      throw new SanderlingError('INVALID_CONFIG', `unknown field “${shown(key)}”`, { where: join(path, key), fix });
    }
    checkShape(field, own, join(path, key));
  }
  const missing = required.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined)
    throw new SanderlingError('INVALID_CONFIG', `“${missing}” is missing`, { where: join(path, missing) });
}

/** The alternative that is meant: of the value's type and, for objects, with all its required fields there. */
function chosen(value: unknown, shapes: readonly Shape[], path: string): Shape {
  const typed = shapes.filter((shape) => isOfType(value, shape));
  const found = typed.find(({ required = [] }) =>
    required.every((key) => isObject(value) && Object.hasOwn(value, key)),
  );
  if (found !== undefined) return found;
  const kinds = shapes.map(({ type, required }) => (required === undefined ? type : required.join(' and ')));
  const what = typed.length === 0 ? 'none of the kinds that fit here' : 'without the fields that say what it is';
  throw new SanderlingError('INVALID_CONFIG', `${shown(value)} is ${what}`, {
    where: path,
    fix: `use ${kinds.join(', or ')}`,
  });
}

function isOfType(value: unknown, { type }: Shape): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'number':
    case 'integer':
      return typeof value === 'number';
    case 'string':
      return typeof value === 'string';
    case 'boolean':
      return typeof value === 'boolean';
    default:
      return true;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function wrong(path: string, value: unknown, wanted: string): SanderlingError {
  const got = Array.isArray(value) ? `a list of ${value.length}` : shown(value);
  return new SanderlingError('INVALID_CONFIG', `${got} is not ${wanted}`, { where: path === '' ? 'config' : path });
}
