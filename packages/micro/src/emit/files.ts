// The .c and .h of a program.
import { SanderlingError } from '@sanderling/kit';
import { countOf, elementTypes, type Layer, type Program, type Value } from '../ir.ts';
import type { MemoryPlan } from '../memory/plan.ts';
import type { SelfTestOptions } from '../options.ts';
import { comment, indented, type Lines } from './c-text.ts';
import { helpers, helperText, type HelperName } from './c-helpers.ts';
import { Constants, elementsOf } from './constants.ts';
import { headerText, interfaceOf, resetSignature, runSignature, type CInterface } from './interface.ts';
import { headline, writeLayer, type Argument, type LayerCode } from './layers.ts';
import { selfTestText } from './self-test.ts';

/** The written program. */
export interface Written {
  readonly face: CInterface;
  readonly files: Readonly<Record<string, string>>;
  readonly constantBytes: number;
  /** Bytes of constants that each layer reads. */
  readonly layerConstantBytes: ReadonlyMap<Layer, number>;
}

/** Writes both files. @throws as the rules and {@link selfTestText}. */
export function writeFiles(program: Program, plan: MemoryPlan, selfTest: SelfTestOptions | undefined): Written {
  const face = interfaceOf(program, plan, selfTest !== undefined);
  const constants = new Constants(program.name);
  const needed = new Set<HelperName>();
  const sheet = { prefix: program.name, constants, helpers: needed };
  const codes = program.layers.filter((layer) => !plan.free.has(layer)).map((layer) => writeLayer(layer, sheet));
  const run = new RunWriter({ program, plan, face, constants }).text(codes);
  const reset = face.states.length > 0 ? resetText(program, face, constants) : [];
  const modelBytes = constants.bytes;
  const test = selfTest ? selfTestText(face, selfTest, constants) : [];
  const about = aboutText(program, plan, modelBytes);
  const ordered = (Object.keys(helpers) as HelperName[]).filter((name) => needed.has(name));
  const source = [
    ...about,
    `#include "${program.name}.h"`,
    '',
    '#include <math.h>',
    '#include <string.h>',
    '',
    ...constants.text(),
    ...ordered.flatMap((name) => [helperText(name, program.name), '']),
    ...codes.flatMap(({ text }) => text),
    ...reset,
    ...run,
    ...test,
  ];
  const files = {
    [`${program.name}.h`]: `${headerText(face, about).join('\n')}\n`,
    [`${program.name}.c`]: `${source.join('\n').replace(/\n+$/, '')}\n`,
  };
  const perLayer = codes.map(
    ({ layer, constants: read }) => [layer, [...read].reduce((sum, name) => sum + constants.bytesOf(name), 0)] as const,
  );
  return { face, files, constantBytes: modelBytes, layerConstantBytes: new Map(perLayer) };
}

function aboutText(program: Program, plan: MemoryPlan, constantBytes: number): Lines {
  return [
    '/*',
    ` * ${program.name}: generated from an ONNX model by Sanderling. Do not edit.`,
    ` * ${program.layers.length} layers, ${constantBytes} bytes of constants, ${plan.arenaBytes} bytes of working memory.`,
    ' */',
  ];
}

function resetText(program: Program, face: CInterface, constants: Constants): Lines {
  const lines = program.states.map(({ input, initial }, i) => {
    const { c } = face.states[i]!;
    if (!initial) return `memset(state->${c}, 0, sizeof state->${c});`;
    const name = constants.add(`initial_${input.name}`, input.dtype, elementsOf(initial));
    return `memcpy(state->${c}, ${name}, sizeof state->${c});`;
  });
  return [resetSignature(face), '{', ...indented(lines), '}', ''];
}

interface RunParts {
  readonly program: Program;
  readonly plan: MemoryPlan;
  readonly face: CInterface;
  readonly constants: Constants;
}

/** The run function: pointers into the arena, calls of the layers, copies at the end. */
class RunWriter {
  readonly #parts: RunParts;
  readonly #lines: string[] = [];
  readonly #pointers = new Map<string, string>();
  #arenaUsed = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  text(codes: readonly LayerCode[]): Lines {
    const { program, plan, face } = this.#parts;
    const byLayer = new Map(codes.map((code) => [code.layer, code]));
    for (const layer of program.layers) this.#layer(layer, byLayer.get(layer));
    this.#outputs();
    this.#states();
    const start = this.#arenaUsed
      ? ['uint8_t *const memory = arena->bytes;']
      : plan.arenaBytes > 0
        ? ['(void)arena;']
        : [];
    const unused = program.inputs
      .map((_, i) => face.inputs[i]!.c)
      .filter((c) => !this.#lines.some((line) => new RegExp(`\\b${c}\\b`).test(line)))
      .map((c) => `(void)${c};`);
    return [runSignature(face), '{', ...indented([...start, ...unused, ...this.#lines]), '}', ''];
  }

  #layer(layer: Layer, code: LayerCode | undefined): void {
    if (!code) {
      this.#lines.push(`/* ${headline(layer)}: the same numbers, nothing to do. */`);
      return;
    }
    const call = code.arguments.map((argument) => this.#argument(layer, argument));
    this.#lines.push(`${code.name}(${call.join(', ')});`);
  }

  #argument(layer: Layer, argument: Argument): string {
    if (argument.kind === 'value') return this.#place(argument.value);
    return this.#pointer(this.#parts.plan.scratchOf.get(layer)!, elementTypes[argument.dtype].c);
  }

  #pointer(offset: number, type: string): string {
    const key = `${type} ${offset}`;
    const known = this.#pointers.get(key);
    if (known) return known;
    const name = `at_${offset}${type === 'float' ? '' : `_${type.replace(/_t$/, '')}`}`;
    this.#pointers.set(key, name);
    this.#arenaUsed = true;
    this.#lines.push(`${type} *const ${name} = (${type} *)(void *)(memory + ${offset});`);
    return name;
  }

  /** The C expression of the place where a value lives. */
  #place(value: Value): string {
    const { program, plan, face, constants } = this.#parts;
    const place = plan.placeOf.get(value)!;
    const owner = place.members.find(({ role }) => role === place.home)!;
    switch (place.home) {
      case 'temporary':
        return this.#pointer(plan.offsetOf.get(place)!, elementTypes[value.dtype].c);
      case 'constant':
        return constants.of(owner);
      case 'input':
        return face.inputs[program.inputs.indexOf(owner)]!.c;
      case 'state':
        return `state->${face.states[program.states.findIndex(({ input }) => input === owner)]!.c}`;
      case 'output':
        return face.outputs[program.outputs.findIndex(({ value: shown }) => shown === owner)]!.c;
      default:
        throw new SanderlingError('INTERNAL', `no place for ${comment(value.name)}`);
    }
  }

  /** Outputs that do not live in the caller's buffer, or are asked for twice. */
  #outputs(): void {
    const { program, face } = this.#parts;
    for (const [i, { value }] of program.outputs.entries()) {
      const [to, from] = [face.outputs[i]!.c, this.#place(value)];
      if (to !== from) this.#lines.push(`memcpy(${to}, ${from}, ${countOf(value)} * sizeof *${to});`);
    }
  }

  /** The next state is taken over when everything has read the old one. */
  #states(): void {
    const { program, face } = this.#parts;
    for (const [i, { next }] of program.states.entries()) {
      const to = `state->${face.states[i]!.c}`;
      const from = this.#place(next);
      if (to !== from) this.#lines.push(`memcpy(${to}, ${from}, sizeof ${to});`);
    }
  }
}
