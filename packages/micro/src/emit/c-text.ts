// Pieces of C text: literals, identifiers, comments that cannot be broken out of, blocks, loop nests.
import { elementTypes, type ElementType } from '../ir.ts';

/** Lines of C. */
export type Lines = readonly string[];

export function indented(lines: Lines): Lines {
  return lines.map((line) => (line === '' ? line : `    ${line}`));
}

/** `head { … }`. */
export function block(head: string, lines: Lines): Lines {
  return [`${head} {`, ...indented(lines), '}'];
}

/** A loop over 0 … count − 1, or the body alone where there is nothing to count. */
export function loop(variable: string, count: number | string, lines: Lines): Lines {
  return block(`for (int32_t ${variable} = 0; ${variable} < ${count}; ${variable}++)`, lines);
}

/** Text that is safe inside a comment: printable ASCII without comment marks, backslashes and trigraphs. */
export function comment(text: string): string {
  const plain = text
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/\*\/|\/\*|\\|\?\?/g, '_')
    .replace(/\*(?=$)|^\//g, '_');
  return plain.length > 200 ? `${plain.slice(0, 197)}...` : plain;
}

/** An ONNX name as part of a C identifier. */
export function identifier(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_+|_+$/g, '');
  return (plain === '' ? 'value' : plain).slice(0, 40);
}

/** Gives out names that do not repeat. */
export class Identifiers {
  readonly #taken = new Set<string>();

  /** Names differ in more than case, since macros are made of them. */
  fresh(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#taken.has(name.toUpperCase()); i += 1) name = `${wanted}_${i}`;
    this.#taken.add(name.toUpperCase());
    return name;
  }
}

/** A number as a C literal of an element type; a float is written with the fewest digits that give it back. */
export function literal(value: number | bigint, dtype: ElementType): string {
  if (dtype === 'float32') return float(Math.fround(Number(value)), [6, 7, 8, 9], 'F');
  if (dtype === 'float64') return float(Number(value), [15, 16, 17], '');
  if (dtype === 'int64') return int64(BigInt(value));
  if (dtype === 'uint64') return `UINT64_C(${BigInt(value)})`;
  if (dtype === 'uint32') return `UINT32_C(${BigInt(value)})`;
  return Number(value) === -2147483648 ? 'INT32_MIN' : String(Number(value));
}

function float(value: number, digits: readonly number[], suffix: string): string {
  if (Number.isNaN(value)) return suffix === 'F' ? 'NAN' : '(double)NAN';
  if (!Number.isFinite(value)) return `${value < 0 ? '-' : ''}${suffix === 'F' ? 'INFINITY' : '(double)INFINITY'}`;
  if (Object.is(value, -0)) return `-0.0${suffix}`;
  const same = (text: string): boolean => (suffix === 'F' ? Math.fround(Number(text)) : Number(text)) === value;
  const found = digits.map((precision) => value.toPrecision(precision)).find(same) ?? String(value);
  const short = String(Number(found));
  const text = same(short) ? short : found;
  return `${/[.e]/.test(text) ? text : `${text}.0`}${suffix}`;
}

function int64(value: bigint): string {
  return value === -(2n ** 63n) ? 'INT64_MIN' : `INT64_C(${value})`;
}

/** A tensor walked by a loop nest: C name, step along each axis in elements, and where it starts. */
export interface Walk {
  readonly name: string;
  readonly strides: readonly number[];
  readonly offset?: number | string;
}

const variables = ['i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't'] as const;

/** The sum of an offset and steps times loop variables, as C. */
export function indexText(offset: number | string, steps: readonly (readonly [string, number])[]): string {
  let text = offset === 0 ? '' : String(offset);
  for (const [variable, step] of steps) {
    if (step === 0) continue;
    const size = Math.abs(step);
    const term = size === 1 ? variable : `${variable} * ${size}`;
    if (text === '') text = step < 0 ? `-${term}` : term;
    else text += step < 0 ? ` - ${term}` : ` + ${term}`;
  }
  return text === '' ? '0' : text;
}

interface Axis {
  readonly size: number;
  readonly steps: readonly number[];
}

/** Neighbouring axes that all walks pass as one become one; axes of size 1 go. */
function merged(dims: readonly number[], walks: readonly Walk[]): readonly Axis[] {
  const axes: Axis[] = [];
  for (const [axis, size] of dims.entries()) {
    if (size === 1) continue;
    const steps = walks.map(({ strides }) => strides[axis]!);
    const last = axes.at(-1);
    if (last && last.steps.every((step, i) => step === steps[i]! * size))
      axes[axes.length - 1] = { size: last.size * size, steps };
    else axes.push({ size, steps });
  }
  return axes;
}

/** A nest of as few loops as the walks allow; `body` gets one element of each walk as C text. `first`: index of the first loop variable. */
export function nest(
  dims: readonly number[],
  walks: readonly Walk[],
  body: (elements: readonly string[]) => Lines,
  first = 0,
): Lines {
  const axes = merged(dims, walks);
  const elements = walks.map(({ name, offset = 0 }, i) => {
    const steps = axes.map(({ steps }, at) => [variables[first + at] ?? `v${at}`, steps[i]!] as const);
    return `${name}[${indexText(offset, steps)}]`;
  });
  return axes.reduceRight<Lines>(
    (lines, { size }, at) => loop(variables[first + at] ?? `v${at}`, size, lines),
    body(elements),
  );
}

/** A function of math.h for an element type: `expf` or `exp`. */
export function math(name: string, dtype: ElementType): string {
  return dtype === 'float32' ? `${name}f` : name;
}

/** An expression of floats cut to 0 … 1; what is no number stays so, unlike by fmin and fmax. */
export function cutToOne(expression: string, dtype: ElementType): string {
  const [zero, one] = [literal(0, dtype), literal(1, dtype)];
  return `((${expression}) > ${one}) ? ${one} : (((${expression}) < ${zero}) ? ${zero} : (${expression}))`;
}

/** A cast that `-Wconversion` asks for after integer promotion; nothing for the types that are not promoted. */
export function narrowed(expression: string, dtype: ElementType): string {
  const { kind, bytes, c } = elementTypes[dtype];
  return kind !== 'float' && bytes < 4 ? `(${c})(${expression})` : expression;
}
