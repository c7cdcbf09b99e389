// Constant arrays of the generated file: given names, written once however many layers use them.
import { SanderlingError } from '@sanderling/kit';
import { tensorOf, typedData, toNumbers, type Tensor } from '@sanderling/onnx';
import { elementTypes, type ElementType, type Value } from '../ir.ts';
import { Identifiers, identifier, literal, type Lines } from './c-text.ts';

/** The blob begins with a header of this many bytes. */
export const blobHeaderBytes = 64;

interface ConstantArray {
  readonly name: string;
  readonly dtype: ElementType;
  readonly elements: ArrayLike<number | bigint>;
  readonly aligned?: boolean;
  /** Where it lies in the blob; undefined in the code. */
  readonly offset: number | undefined;
}

/** Elements as they are: bigints for 64-bit integers, else numbers. */
export function elementsOf(tensor: Tensor): ArrayLike<number | bigint> {
  return tensor.dtype === 'int64' || tensor.dtype === 'uint64' ? typedData(tensor) : toNumbers(tensor);
}

/** Every array in the blob starts at a multiple of this from the blob's start, which is a multiple of it too. */
export const blobAlignment = 8;

/** Collects arrays. `blobFrom`: arrays of at least so many bytes lie in the blob; undefined for no blob. */
export class Constants {
  readonly #prefix: string;
  readonly #blobFrom: number | undefined;
  #blobEnd = blobHeaderBytes;
  readonly #names = new Identifiers();
  readonly #arrays: ConstantArray[] = [];
  readonly #byValue = new Map<Value, ConstantArray>();

  constructor(prefix: string, blobFrom?: number) {
    this.#prefix = prefix;
    this.#blobFrom = blobFrom;
  }

  /** The array of a constant value. */
  of(value: Value): string {
    const known = this.#byValue.get(value);
    if (known) return known.name;
    const added = this.#add(identifier(value.name), value.dtype, elementsOf(value.data!));
    this.#byValue.set(value, added);
    return added.name;
  }

  /** A new array; `aligned` to 8 bytes if asked for. */
  add(stem: string, dtype: ElementType, elements: ArrayLike<number | bigint>, aligned = false): string {
    return this.#add(identifier(stem), dtype, elements, aligned).name;
  }

  #add(stem: string, dtype: ElementType, elements: ArrayLike<number | bigint>, aligned = false): ConstantArray {
    if (elements.length === 0)
      throw new SanderlingError('UNSUPPORTED', `the constant "${stem}" has no elements`, {
        where: stem,
        fix: 'C has no arrays of size 0: leave the input out, or give it at least one element',
      });
    const bytes = elements.length * elementTypes[dtype].bytes;
    const inBlob = this.#blobFrom !== undefined && bytes >= this.#blobFrom;
    const offset = inBlob ? this.#blobEnd : undefined;
    if (inBlob) this.#blobEnd += Math.ceil(bytes / blobAlignment) * blobAlignment;
    const added = { name: this.#names.fresh(`${this.#prefix}_data_${stem}`), dtype, elements, aligned, offset };
    this.#arrays.push(added);
    return added;
  }

  /** Whether an array lies in the blob, so that code must be handed a pointer to it. */
  inBlob(name: string): boolean {
    return this.#arrays.some((array) => array.name === name && array.offset !== undefined);
  }

  /** C that points at an array where the state, the arena and the blob (as `weights`) are at hand. */
  pointer(name: string): string {
    const { offset, dtype } = this.#arrays.find((array) => array.name === name)!;
    return offset === undefined
      ? name
      : `((const ${elementTypes[dtype].c} *)(const void *)((const uint8_t *)weights + ${offset}))`;
  }

  /** All bytes of the blob; its header is left to be filled in. */
  blob(): Uint8Array {
    const bytes = new Uint8Array(this.#blobEnd);
    for (const { dtype, elements, offset } of this.#arrays) {
      if (offset === undefined) continue;
      const typed = tensorOf(dtype === 'bool' ? 'uint8' : dtype, [elements.length], elements as ArrayLike<number>);
      bytes.set(typed.data, offset);
    }
    return bytes;
  }

  /** Bytes of one array. */
  bytesOf(name: string): number {
    const found = this.#arrays.find((array) => array.name === name);
    return found ? found.elements.length * elementTypes[found.dtype].bytes : 0;
  }

  get bytes(): number {
    return this.#arrays.reduce((sum, { dtype, elements }) => sum + elements.length * elementTypes[dtype].bytes, 0);
  }

  /** Names of the arrays in the code. */
  get names(): readonly string[] {
    return this.#here().map(({ name }) => name);
  }

  /** Arrays in the code, all of them or those named; 'shared' ones are seen by other files. */
  text(names?: readonly string[], seen: 'static' | 'shared' = 'static'): Lines {
    const wanted = this.#here(names);
    const aligned = wanted.some((array) => array.aligned);
    return [...(aligned ? alignmentText : []), ...wanted.flatMap((array) => arrayText(array, seen))];
  }

  /** `extern const float name[4];` */
  declarations(names: readonly string[]): Lines {
    const lines = this.#here(names).map(
      ({ name, dtype, elements }) => `extern const ${elementTypes[dtype].c} ${name}[${elements.length}];`,
    );
    return lines.length === 0 ? [] : [...lines, ''];
  }

  #here(names?: readonly string[]): readonly ConstantArray[] {
    return this.#arrays.filter(({ name, offset }) => offset === undefined && (names?.includes(name) ?? true));
  }
}

/** C99 has no word for alignment. */
const alignmentText: Lines = [
  '#if defined(__GNUC__)',
  '#define SANDERLING_ALIGNED __attribute__((aligned(8)))',
  '#else',
  '#define SANDERLING_ALIGNED',
  '#endif',
  '',
];

/** `static const float name[4] = { … };` in lines of readable width; without `static` if other files see it. */
export function arrayText(
  { name, dtype, elements, aligned }: Omit<ConstantArray, 'offset'>,
  seen: 'static' | 'shared' = 'static',
): Lines {
  const lines: string[] = [
    `${aligned ? 'SANDERLING_ALIGNED ' : ''}${seen === 'static' ? 'static ' : ''}const ${elementTypes[dtype].c} ${name}[${elements.length}] = {`,
  ];
  let line = '   ';
  for (let i = 0; i < elements.length; i += 1) {
    const text = ` ${literal(elements[i]!, dtype)}${i + 1 < elements.length ? ',' : ''}`;
    if (line.length + text.length > 110) {
      lines.push(line);
      line = '   ';
    }
    line += text;
  }
  return [...lines, line, '};', ''];
}
