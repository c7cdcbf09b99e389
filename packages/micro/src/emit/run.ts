// The function that runs a model: pointers into the arena, calls of the layers, copies at the end.
import { SanderlingError } from '@sanderling/kit';
import { countOf, elementTypes, type Layer, type Program, type Value } from '../ir.ts';
import type { MemoryPlan } from '../memory/plan.ts';
import { comment, indented, type Lines } from './c-text.ts';
import type { Constants } from './constants.ts';
import { runSignature, type CInterface } from './interface.ts';
import { headline, type Argument, type LayerCode } from './layers.ts';

/** What the run function is written from. */
export interface RunParts {
  readonly program: Program;
  readonly plan: MemoryPlan;
  readonly face: CInterface;
  readonly constants: Constants;
}

/** The run function: pointers into the arena, calls of the layers, copies at the end. */
export class RunWriter {
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
    const unused = [...program.inputs.map((_, i) => face.inputs[i]!.c), ...(face.weights ? ['weights'] : [])]
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
    if (argument.kind === 'constant') return this.#parts.constants.pointer(argument.name);
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
        return constants.pointer(constants.of(owner));
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
