// Constant arrays of the generated file: given names, written once however many layers use them.
import { typedData, toNumbers, type Tensor } from '@sanderling/onnx';
import { elementTypes, type ElementType, type Value } from '../ir.ts';
import { Identifiers, identifier, literal, type Lines } from './c-text.ts';

interface ConstantArray {
  readonly name: string;
  readonly dtype: ElementType;
  readonly elements: ArrayLike<number | bigint>;
  readonly aligned?: boolean;
}

/** Elements as they are: bigints for 64-bit integers, else numbers. */
export function elementsOf(tensor: Tensor): ArrayLike<number | bigint> {
  return tensor.dtype === 'int64' || tensor.dtype === 'uint64' ? typedData(tensor) : toNumbers(tensor);
}

/** Collects arrays. */
export class Constants {
  readonly #prefix: string;
  readonly #names = new Identifiers();
  readonly #arrays: ConstantArray[] = [];
  readonly #byValue = new Map<Value, ConstantArray>();

  constructor(prefix: string) {
    this.#prefix = prefix;
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
    const added = { name: this.#names.fresh(`${this.#prefix}_data_${stem}`), dtype, elements, aligned };
    this.#arrays.push(added);
    return added;
  }

  /** Bytes of one array. */
  bytesOf(name: string): number {
    const found = this.#arrays.find((array) => array.name === name);
    return found ? found.elements.length * elementTypes[found.dtype].bytes : 0;
  }

  get bytes(): number {
    return this.#arrays.reduce((sum, { dtype, elements }) => sum + elements.length * elementTypes[dtype].bytes, 0);
  }

  text(): Lines {
    const aligned = this.#arrays.some((array) => array.aligned);
    return [...(aligned ? alignmentText : []), ...this.#arrays.flatMap(arrayText)];
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

/** `static const float name[4] = { … };` in lines of readable width. */
export function arrayText({ name, dtype, elements, aligned }: ConstantArray): Lines {
  const lines: string[] = [
    `${aligned ? 'SANDERLING_ALIGNED ' : ''}static const ${elementTypes[dtype].c} ${name}[${elements.length}] = {`,
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
