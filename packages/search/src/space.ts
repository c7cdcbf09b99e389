// A space of parameters: named dimensions in order, some under conditions. It is plain data; its sample type is inferred.
import { SanderlingError } from '@sanderling/kit';
import {
  cardinality,
  choice,
  contains,
  float,
  int,
  type ChoiceDimension,
  type ChoiceValue,
  type Condition,
  type Dimension,
  type FloatDimension,
  type IntDimension,
  type ParamValue,
  when,
} from './dimension.ts';
import { shown } from './shown.ts';

/** Any sample: a parameter whose condition does not hold is absent. */
export type Params = Readonly<Record<string, ParamValue>>;

/** A named dimension, as it stands in a space. */
export type Parameter = Dimension & { readonly name: string; readonly when?: Condition };

declare const sample: unique symbol;

/** A space whose samples are P. `JSON.stringify` of it is its stored form; `spaceFromJson` reads that. */
export interface Space<P extends object = Params> {
  readonly version: 1;
  readonly parameters: readonly Parameter[];
  /** Only a type: never present. */
  readonly [sample]?: P;
}

/** Any space, whatever its samples. */
export type AnySpace = Space<object>;

/** What `space` takes: a dimension for each name. */
export type SpaceShape = Readonly<Record<string, Dimension>>;

type ValueOf<D> = D extends ChoiceDimension<infer T> ? T : D extends IntDimension | FloatDimension ? number : never;

type ConditionalKeys<S> = { [K in keyof S]: S[K] extends { readonly when: Condition } ? K : never }[keyof S];

/** The sample type of a shape: conditional parameters may be absent. */
export type SampleOf<S extends SpaceShape> = {
  readonly [K in keyof S as K extends ConditionalKeys<S> ? never : K]: ValueOf<S[K]>;
} & { readonly [K in ConditionalKeys<S>]?: ValueOf<S[K]> };

/** The samples of a space, as a type. */
export type Sampled<T> = T extends Space<infer P> ? P : never;

const mostParameters = 256;

/**
 * A space from named dimensions. A condition names a parameter that stands before it.
 * @throws INVALID_CONFIG on no parameter, bad names, or conditions on what is not there
 */
export function space<const S extends SpaceShape>(shape: S): Space<SampleOf<S>> {
  return assemble(Object.entries(shape).map(([name, dimension]) => ({ ...dimension, name }))) as Space<SampleOf<S>>;
}

/** A space from its stored form; everything is checked. @throws INVALID_CONFIG, with the place */
export function spaceFromJson(json: unknown): Space {
  const body = record(json, 'space');
  if (body['version'] !== 1) throw invalid('version', `version ${shown(body['version'])} of a space is not known`);
  if (!Array.isArray(body['parameters'])) throw invalid('parameters', 'a space needs a list of parameters');
  if (body['parameters'].length > mostParameters) throw invalid('parameters', `at most ${mostParameters} parameters`);
  return assemble(Array.from(body['parameters'], (entry: unknown, i) => parameterFromJson(entry, `parameters[${i}]`)));
}

/** The stored form of a space: a plain copy. */
export function spaceToJson(space: AnySpace): { readonly version: 1; readonly parameters: readonly Parameter[] } {
  return { version: 1, parameters: structuredClone(space.parameters) };
}

/** Whether a parameter exists, given the values of those before it. */
export function isActive(parameter: Parameter, params: Params): boolean {
  if (parameter.when === undefined) return true;
  const { parameter: on, in: values } = parameter.when;
  return Object.hasOwn(params, on) && values.includes(params[on]!);
}

/** Checks that a sample lies in the space: every active parameter with a value of its dimension, and nothing else. @throws INVALID_ARGUMENT, with the place */
export function checkParams(space: AnySpace, params: unknown): Params {
  const given = record(params, 'params', 'INVALID_ARGUMENT') as Params;
  const checked: Record<string, ParamValue> = {};
  for (const parameter of space.parameters) {
    if (!isActive(parameter, checked)) continue;
    const value = Object.hasOwn(given, parameter.name) ? given[parameter.name]! : undefined;
    if (value === undefined || !contains(parameter, value)) {
      throw invalid(`params.${parameter.name}`, `${shown(value)} is not in the space`, 'INVALID_ARGUMENT');
    }
    checked[parameter.name] = value;
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(checked, name)) continue;
    throw invalid(`params.${name}`, 'there is no such parameter, or its condition does not hold', 'INVALID_ARGUMENT');
  }
  return Object.freeze(checked);
}

/** A text that is equal for equal samples of the space, and only for them. */
export function keyOf(space: AnySpace, params: Params): string {
  return JSON.stringify(space.parameters.map(({ name }) => params[name]));
}

/** All samples of a finite space, in a fixed order; endless spaces have none to list. */
export function* samplesOf(space: AnySpace, before: Params = {}, index = 0): Generator<Params> {
  const parameter = space.parameters[index];
  if (parameter === undefined) {
    yield before;
    return;
  }
  if (!isActive(parameter, before)) {
    yield* samplesOf(space, before, index + 1);
    return;
  }
  for (const value of valuesOf(parameter)) yield* samplesOf(space, { ...before, [parameter.name]: value }, index + 1);
}

/** How many samples the space has, or Infinity when there are more than `most` or endlessly many. */
export function sizeOf(space: AnySpace, most = 10_000): number {
  if (space.parameters.some((parameter) => !Number.isFinite(cardinality(parameter)))) return Infinity;
  let size = 0;
  for (const _ of samplesOf(space)) if (++size > most) return Infinity;
  return size;
}

function* valuesOf(dimension: Dimension): Generator<ParamValue> {
  if (dimension.kind === 'choice') yield* dimension.options;
  else if (dimension.kind === 'int') for (let v = dimension.low; v <= dimension.high; v += dimension.step) yield v;
  else yield dimension.low;
}

function assemble(parameters: readonly Parameter[]): Space {
  if (parameters.length === 0) throw invalid('parameters', 'a space needs at least one parameter');
  if (parameters.length > mostParameters) throw invalid('parameters', `at most ${mostParameters} parameters`);
  const before = new Map<string, Parameter>();
  for (const parameter of parameters) {
    const { name } = parameter;
    if (!isName(name)) throw invalid('name', `${shown(name)} cannot be the name of a parameter`);
    if (before.has(name)) throw invalid(name, 'the name stands twice');
    checkCondition(parameter, before);
    before.set(name, parameter);
  }
  return Object.freeze({
    version: 1,
    parameters: Object.freeze(parameters.map((parameter) => Object.freeze(parameter))),
  });
}

function checkCondition({ name, when: condition }: Parameter, before: ReadonlyMap<string, Parameter>): void {
  if (condition === undefined) return;
  const parent = before.get(condition.parameter);
  if (parent === undefined) {
    throw invalid(`${name}.when`, `the condition names ${shown(condition.parameter)}, which does not stand before it`);
  }
  const foreign = condition.in.find((value) => !contains(parent, value));
  if (foreign !== undefined) throw invalid(`${name}.when`, `${condition.parameter} is never ${shown(foreign)}`);
}

function parameterFromJson(json: unknown, where: string): Parameter {
  const entry = record(json, where);
  try {
    const dimension = dimensionFromJson(entry);
    if (entry['when'] === undefined) return { ...dimension, name: entry['name'] as string };
    const condition = record(entry['when'], `${where}.when`);
    const conditional = when(condition['parameter'] as string, condition['in'] as readonly ChoiceValue[], dimension);
    return { ...conditional, name: entry['name'] as string };
  } catch (error) {
    if (!(error instanceof SanderlingError) || error.where !== undefined) throw error;
    throw new SanderlingError(error.code, error.message, { where, cause: error });
  }
}

function dimensionFromJson(entry: Readonly<Record<string, unknown>>): Dimension {
  const low = entry['low'] as number;
  const high = entry['high'] as number;
  const log = entry['log'] === true;
  switch (entry['kind']) {
    case 'int':
      return int(low, high, { log, step: (entry['step'] ?? 1) as number });
    case 'float':
      return float(low, high, { log });
    case 'choice':
      return choice(entry['options'] as readonly ChoiceValue[]);
    default:
      throw new SanderlingError('INVALID_CONFIG', `kind is ${shown(entry['kind'])}, expected int, float or choice`);
  }
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && name.length > 0 && name.length <= 200 && name !== '__proto__';
}

function record(
  value: unknown,
  where: string,
  code: 'INVALID_CONFIG' | 'INVALID_ARGUMENT' = 'INVALID_CONFIG',
): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(where, 'this is not an object', code);
}

function invalid(
  where: string,
  message: string,
  code: 'INVALID_CONFIG' | 'INVALID_ARGUMENT' = 'INVALID_CONFIG',
): SanderlingError {
  return new SanderlingError(code, `${where}: ${message}`, { where });
}
