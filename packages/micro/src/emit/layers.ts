// One C function per layer: the desk at which the rules write, and what they asked for.
import { elementTypes, type ElementType, type Layer, type Quantisation, type Value } from '../ir.ts';
import type { Desk } from '../operators/rule.ts';
import { layerRules } from '../operators/table.ts';
import { comment, identifier, indented, type Lines } from './c-text.ts';
import type { Constants } from './constants.ts';
import type { HelperName } from './c-helpers.ts';

/** What a parameter of a layer's function stands for. */
export type Argument =
  | { readonly kind: 'value'; readonly value: Value; readonly written: boolean }
  | { readonly kind: 'scratch'; readonly dtype: ElementType }
  | { readonly kind: 'constant'; readonly name: string; readonly dtype: ElementType };

/** A layer as C: the function's name and text, what it is called with, and the constants that it reads. */
export interface LayerCode {
  readonly layer: Layer;
  readonly name: string;
  readonly text: Lines;
  readonly arguments: readonly Argument[];
  readonly constants: ReadonlySet<string>;
  readonly helpers: ReadonlySet<HelperName>;
  /** C text by name, of what the layer wants defined once for a file. */
  readonly definitions: ReadonlyMap<string, string>;
}

/** What all layers of a file share. */
export interface Sheet {
  readonly prefix: string;
  readonly constants: Constants;
}

class LayerDesk implements Desk {
  readonly layer: Layer;
  readonly parameters = new Map<string, Argument>();
  readonly read = new Set<string>();
  readonly helpers = new Set<HelperName>();
  readonly definitions = new Map<string, string>();
  readonly #sheet: Sheet;

  constructor(layer: Layer, sheet: Sheet) {
    this.layer = layer;
    this.#sheet = sheet;
  }

  input(index: number): string {
    const value = this.layer.inputs[index]!;
    const names = layerRules[this.layer.operator]!.inputs;
    const name =
      index < names.length && this.layer.inputs.length <= names.length ? names[index]! : `${names.at(-1)}${index}`;
    if (value.role === 'constant') return this.#constant(this.#sheet.constants.of(value), name, value.dtype);
    this.parameters.set(name, { kind: 'value', value, written: false });
    return name;
  }

  output(index = 0): string {
    const name = index === 0 ? 'y' : `y${index}`;
    this.parameters.set(name, { kind: 'value', value: this.layer.outputs[index]!, written: true });
    return name;
  }

  constant(stem: string, dtype: ElementType, elements: ArrayLike<number | bigint>, aligned = false): string {
    const name = this.#sheet.constants.add(`${this.layer.index}_${stem}`, dtype, elements, aligned);
    return this.#constant(name, stem, dtype);
  }

  /** An array in the code is called by its name; one in the blob is a parameter. */
  #constant(name: string, stem: string, dtype: ElementType): string {
    this.read.add(name);
    if (!this.#sheet.constants.inBlob(name)) return name;
    const wanted = `data_${identifier(stem)}`;
    for (let i = 1; ; i += 1) {
      const parameter = i === 1 ? wanted : `${wanted}_${i}`;
      const known = this.parameters.get(parameter);
      if (known && !(known.kind === 'constant' && known.name === name)) continue;
      this.parameters.set(parameter, { kind: 'constant', name, dtype });
      return parameter;
    }
  }

  scratch(): string {
    this.parameters.set('scratch', { kind: 'scratch', dtype: this.layer.inputs[0]!.dtype });
    return 'scratch';
  }

  helper(name: string): string {
    this.helpers.add(name as HelperName);
    return `${this.#sheet.prefix}_${name}`;
  }

  define(name: string, text: string): string {
    this.definitions.set(name, text.replaceAll('NAME_', `${this.#sheet.prefix}_`));
    return `${this.#sheet.prefix}_${name}`;
  }
}

/** Multiply-accumulates of a layer. */
export function workOf(layer: Layer): number {
  return layerRules[layer.operator]?.work?.(layer) ?? 0;
}

const shape = (value: Value | undefined): string =>
  value ? `[${value.dims.join(', ')}]${value.quantisation ? quantisationText(value.quantisation) : ''}` : '';

/** ` (q + 3) 0.0235`: how codes stand for real numbers. */
const quantisationText = ({ scale, zeroPoint }: Quantisation): string =>
  ` (q${zeroPoint === 0 ? '' : zeroPoint < 0 ? ` + ${-zeroPoint}` : ` - ${zeroPoint}`}) ${scale.length === 1 ? Number(scale[0]!.toPrecision(4)) : 'per channel'}`;

/** What a reader is told above a layer. */
export function headline(layer: Layer): string {
  const work = workOf(layer);
  const [from, to] = [layer.inputs, layer.outputs].map((values) =>
    values
      .map(shape)
      .filter((text) => text !== '')
      .join(' '),
  );
  return comment(
    `Layer ${layer.index}: ${layer.operator} "${layer.name}": ${from} -> ${to}${work > 0 ? `, ${work} MACs` : ''}`,
  );
}

/** Inputs, outputs, scratch: the order of parameters. */
const rank = (argument: Argument): number =>
  argument.kind === 'scratch' ? 2 : argument.kind === 'value' && argument.written ? 1 : 0;

/** A local table that points at a parameter cannot be static. */
function localised(line: string, parameters: readonly string[]): string {
  if (!/^\s*static const /.test(line)) return line;
  return parameters.some((name) => new RegExp(`\\b${name}\\b`).test(line))
    ? line.replace('static const ', 'const ')
    : line;
}

/** Writes the function of a layer. */
export function writeLayer(layer: Layer, sheet: Sheet): LayerCode {
  const desk = new LayerDesk(layer, sheet);
  const body = layerRules[layer.operator]!.write(desk);
  const name = `${sheet.prefix}_layer_${layer.index}_${identifier(layer.operator).toLowerCase()}`;
  const sorted = [...desk.parameters].sort(([, a], [, b]) => rank(a) - rank(b));
  const parameters = sorted.map(([parameter, argument]) => {
    const dtype = argument.kind === 'value' ? argument.value.dtype : argument.dtype;
    const constant = argument.kind === 'constant' || (argument.kind === 'value' && !argument.written);
    return `${constant ? 'const ' : ''}${elementTypes[dtype].c} *${parameter}`;
  });
  const handed = sorted.flatMap(([parameter, { kind }]) => (kind === 'constant' ? [parameter] : []));
  return {
    layer,
    name,
    arguments: sorted.map(([, argument]) => argument),
    constants: desk.read,
    helpers: desk.helpers,
    definitions: desk.definitions,
    text: [
      `/* ${headline(layer)} */`,
      `static void ${name}(${parameters.join(', ')})`,
      '{',
      ...indented(body.map((line) => localised(line, handed))),
      '}',
      '',
    ],
  };
}
