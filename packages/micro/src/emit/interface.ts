// The public face of the generated code: names, the header, the signature of the run function.
import { countOf, elementTypes, type ElementType, type Program, type Value } from '../ir.ts';
import type { MemoryPlan } from '../memory/plan.ts';
import { comment, Identifiers, identifier, type Lines } from './c-text.ts';

/** One tensor that the caller passes: its ONNX name, the name of the C parameter, type and shape. */
export interface Port {
  readonly name: string;
  readonly c: string;
  readonly dtype: ElementType;
  readonly dims: readonly number[];
  readonly count: number;
}

/** How to call the generated code: NAME_run(state?, arena?, inputs…, outputs…). */
export interface CInterface {
  readonly prefix: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Members of the state struct; NAME_reset and the first parameter of NAME_run exist if there are any. */
  readonly states: readonly Port[];
  /** Bytes of the arena; the arena parameter exists if there are any. */
  readonly arenaBytes: number;
  readonly selfTest: boolean;
  /** Whether the constants come from a blob: the parameter `weights` after state and arena. */
  readonly weights: boolean;
  /** Whether NAME_reset takes them too, because a state does not begin with zeros. */
  readonly resetWeights: boolean;
}

/** What of the options the interface depends on. */
export interface FaceOptions {
  readonly selfTest: boolean;
  readonly weights: boolean;
}

export function interfaceOf(program: Program, plan: MemoryPlan, { selfTest, weights }: FaceOptions): CInterface {
  const names = new Identifiers();
  const port = (prefix: string, name: string, value: Value): Port => ({
    name,
    c: names.fresh(`${prefix}_${identifier(name)}`),
    dtype: value.dtype,
    dims: value.dims,
    count: countOf(value),
  });
  return {
    prefix: program.name,
    inputs: program.inputs.map((value) => port('in', value.name, value)),
    outputs: program.outputs.map(({ name, value }) => port('out', name, value)),
    states: program.states.map(({ input }) => port('s', input.name, input)),
    arenaBytes: plan.arenaBytes,
    selfTest,
    weights,
    resetWeights: weights && program.states.some(({ initial }) => initial !== undefined),
  };
}

/** `const float in_x[6]`. */
const parameter = ({ c, dtype, count }: Port, constant: boolean): string =>
  `${constant ? 'const ' : ''}${elementTypes[dtype].c} ${c}[${count}]`;

/** The parameters that all functions share: state, arena and weights, if there are any. */
function placesOf({ prefix, states, arenaBytes, weights }: CInterface): Lines {
  return [
    ...(states.length > 0 ? [`${prefix}_state *state`] : []),
    ...(arenaBytes > 0 ? [`${prefix}_arena *arena`] : []),
    ...(weights ? ['const void *weights'] : []),
  ];
}

/** The arguments for these parameters, in a function that has them. */
export function placeNames({ states, arenaBytes, weights }: CInterface): Lines {
  return [
    ...(states.length > 0 ? ['state'] : []),
    ...(arenaBytes > 0 ? ['arena'] : []),
    ...(weights ? ['weights'] : []),
  ];
}

const signature = (name: string, parameters: Lines): string =>
  parameters.length === 0 ? `${name}(void)` : `${name}(\n    ${parameters.join(',\n    ')})`;

export function runSignature(face: CInterface): string {
  const ports = [
    ...face.inputs.map((port) => parameter(port, true)),
    ...face.outputs.map((port) => parameter(port, false)),
  ];
  return `void ${signature(`${face.prefix}_run`, [...placesOf(face), ...ports])}`;
}

export function resetSignature({ prefix, resetWeights }: CInterface): string {
  return `void ${prefix}_reset(${prefix}_state *state${resetWeights ? ', const void *weights' : ''})`;
}

export function selfTestSignature(face: CInterface): string {
  const room = face.outputs.length > 0 ? [`${face.prefix}_self_test_room *room`] : [];
  return `int32_t ${signature(`${face.prefix}_self_test`, [...placesOf(face), ...room])}`;
}

const member = ({ c, dtype, count, name, dims }: Port): string =>
  `    ${elementTypes[dtype].c} ${c}[${count}]; /* ${comment(`"${name}" [${dims.join(', ')}]`)} */`;

function types(face: CInterface): Lines {
  const { prefix, states, arenaBytes, outputs, selfTest } = face;
  return [
    ...(arenaBytes > 0
      ? [
          '/* Working memory. Its contents mean nothing between calls: models that do not run at the same time may share it. */',
          'typedef union {',
          `    uint8_t bytes[${arenaBytes}];`,
          '    double align_double;',
          '    int64_t align_integer;',
          `} ${prefix}_arena;`,
          '',
        ]
      : []),
    ...(states.length > 0
      ? [
          '/* What lives from call to call. One for each instance; reset it before its first call. */',
          'typedef struct {',
          ...states.map(member),
          `} ${prefix}_state;`,
          '',
        ]
      : []),
    ...(selfTest && outputs.length > 0
      ? [
          '/* Room for the outputs of the self-test. */',
          'typedef struct {',
          ...outputs.map(member),
          `} ${prefix}_self_test_room;`,
          '',
        ]
      : []),
  ];
}

/** The header file. */
export function headerText(face: CInterface, about: Lines, weights: Lines): Lines {
  const guard = `${face.prefix.toUpperCase()}_H`;
  const describe = (what: string, ports: readonly Port[]): Lines =>
    ports
      .map(({ c, name, dtype, dims }) => comment(`${what} ${c}: "${name}" ${dtype} [${dims.join(', ')}]`))
      .map((line) => ` * ${line}`);
  const counts = [...face.inputs, ...face.outputs].map(
    ({ c, count }) => `#define ${face.prefix.toUpperCase()}_${c.toUpperCase()}_COUNT ${count}`,
  );
  return [
    ...about,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '',
    '#include <stdint.h>',
    '',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    ...counts,
    '',
    ...types(face),
    ...weights,
    ...(face.states.length > 0 ? ['/* Puts the state back to its beginning. */', `${resetSignature(face)};`, ''] : []),
    '/*',
    ' * Runs the model once. Outputs must not overlap inputs.',
    ...describe('in ', face.inputs),
    ...describe('out', face.outputs),
    ' */',
    `${runSignature(face)};`,
    '',
    ...(face.selfTest
      ? [
          '/* Runs the built-in vectors: 0 if all outputs are as expected, else the number of the first vector that fails. Resets the state. */',
          `${selfTestSignature(face)};`,
          '',
        ]
      : []),
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '',
    '#endif',
  ];
}
