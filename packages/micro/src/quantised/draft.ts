// A program that is being rewritten: old layers copied over, integer layers added, and for every value the integer twin that stands for it.
import type { Tensor } from '@sanderling/onnx';
import { type ElementType, type Layer, type Program, type Quantisation, type Role, type Value } from '../ir.ts';
import type { IntegerWork } from './work.ts';

/** How a twin lies in memory: as ONNX says, or with channels last. */
export type Layout = 'plain' | 'last';

/** Integers that stand for a value of the model. `dims` are those of the model; `forms` what lies in memory so far. */
export interface Twin {
  readonly dims: readonly number[];
  readonly dtype: 'int8' | 'int16' | 'int32';
  readonly quantisation: Quantisation;
  readonly forms: Map<Layout | 'shuffled', Value>;
  /** Makes a form out of nothing else, for values that come from real numbers. */
  readonly make?: (layout: Layout) => Value;
}

/** The axes of the model behind each axis of the layout with channels last. */
export const lastOrder = (rank: number): readonly number[] => [
  0,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 2),
  1,
];
/** And back. */
export const firstOrder = (rank: number): readonly number[] => [
  0,
  rank - 1,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
];

export const permuted = <T>(list: readonly T[], order: readonly number[]): readonly T[] =>
  order.map((axis) => list[axis]!);

export const sameQuantisation = (a: Quantisation, b: Quantisation): boolean =>
  a.zeroPoint === b.zeroPoint && a.scale.length === 1 && b.scale.length === 1 && a.scale[0] === b.scale[0];

export class Draft {
  readonly program: Program;
  readonly layers: Layer[] = [];
  readonly values: Value[];
  readonly producers = new Map<Value, Layer>();
  readonly twins = new Map<Value, Twin>();
  readonly #readers = new Map<Value, Layer[]>();
  readonly #shown: ReadonlySet<Value>;

  constructor(program: Program) {
    this.program = program;
    this.values = [...program.values];
    this.#shown = new Set([...program.outputs.map(({ value }) => value), ...program.states.map(({ next }) => next)]);
    for (const layer of program.layers) {
      for (const value of layer.outputs) if (value) this.producers.set(value, layer);
      for (const value of layer.inputs)
        if (value) this.#readers.set(value, [...(this.#readers.get(value) ?? []), layer]);
    }
  }

  readersOf(value: Value): readonly Layer[] {
    return this.#readers.get(value) ?? [];
  }

  /** Whether the caller or the next call sees a value. */
  isShown(value: Value): boolean {
    return this.#shown.has(value);
  }

  /** Whether nothing but one layer, or quantisation, reads a value. */
  isInner(value: Value, reader?: Layer): boolean {
    return (
      !this.isShown(value) &&
      this.readersOf(value).every((layer) => layer === reader || layer.operator === 'QuantizeLinear')
    );
  }

  /** Whether one layer alone reads a value. */
  isSole(value: Value): boolean {
    return !this.isShown(value) && this.readersOf(value).length === 1;
  }

  define(name: string, { dtype, dims, quantisation, role = 'temporary', data }: NewValue): Value {
    const value: Value = Object.freeze({
      id: this.values.length,
      name,
      dtype,
      dims: Object.freeze([...dims]),
      role,
      ...(data ? { data } : {}),
      ...(quantisation ? { quantisation } : {}),
    });
    this.values.push(value);
    return value;
  }

  emit(source: Layer, operator: string, parts: NewLayer): void {
    const { inputs, outputs, work, node = source.node } = parts;
    this.layers.push({
      index: 0,
      name: source.name,
      operator,
      node,
      opset: source.opset,
      inputs,
      outputs,
      ...(work ? { integer: work } : {}),
    });
  }

  /** A layer with one output, which is new. */
  add(source: Layer, operator: string, { to, inputs, work }: NewOutput): Value {
    const value = this.define(source.outputs.find((output) => output)?.name ?? source.name, to);
    this.emit(source, operator, { inputs, outputs: [value], work });
    return value;
  }

  /** A twin's value in a layout, made if need be. */
  form(twin: Twin, layout: Layout, source: Layer): Value {
    const known = twin.forms.get(layout);
    if (known) return known;
    const made = twin.make?.(layout) ?? this.#moved(twin, layout, source);
    twin.forms.set(layout, made);
    return made;
  }

  #moved(twin: Twin, layout: Layout, source: Layer): Value {
    const rank = twin.dims.length;
    const order = layout === 'last' ? lastOrder(rank) : firstOrder(rank);
    const from = twin.forms.get(layout === 'last' ? 'plain' : 'last');
    const shuffled = twin.forms.get('shuffled');
    if (!from && shuffled) return this.#straightened(twin, shuffled, source);
    const { dtype, quantisation } = twin;
    const to = { dtype, quantisation, dims: layout === 'last' ? permuted(twin.dims, order) : twin.dims };
    return this.add(source, 'Int8Move', { to, inputs: [from!], work: { kind: 'convert', order, flip: false } });
  }

  /** A flattened value whose channels are last: seen as it was before, channels put first, flattened again. */
  #straightened(twin: Twin, shuffled: Value, source: Layer): Value {
    const { dtype, quantisation } = twin;
    const before = this.define(shuffled.name, { dtype, quantisation, dims: shuffleOf(shuffled)! });
    this.emit(source, 'Reshape', { inputs: [shuffled], outputs: [before] });
    const order = firstOrder(before.dims.length);
    const first = this.add(source, 'Int8Move', {
      to: { dtype, quantisation, dims: permuted(before.dims, order) },
      inputs: [before],
      work: { kind: 'convert', order, flip: false },
    });
    const plain = this.define(shuffled.name, { dtype, quantisation, dims: twin.dims });
    this.emit(source, 'Reshape', { inputs: [first], outputs: [plain] });
    return plain;
  }

  /** A twin that is one value. */
  twin(value: Value, layout: Layout, dims: readonly number[] = value.dims): Twin {
    return {
      dims,
      dtype: value.dtype as Twin['dtype'],
      quantisation: value.quantisation!,
      forms: new Map([[layout, value]]),
    };
  }
}

interface NewValue {
  readonly dtype: ElementType;
  readonly dims: readonly number[];
  readonly quantisation?: Quantisation | undefined;
  readonly role?: Role;
  readonly data?: Tensor;
}

interface NewLayer {
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly (Value | undefined)[];
  readonly work?: IntegerWork | undefined;
  readonly node?: Layer['node'];
}

interface NewOutput {
  readonly to: NewValue;
  readonly inputs: readonly (Value | undefined)[];
  readonly work?: IntegerWork;
}

const shuffles = new WeakMap<Value, readonly number[]>();

/** Remembers the dims, channels last, of a value before it was flattened. */
export function shuffle(value: Value, dims: readonly number[]): Value {
  shuffles.set(value, dims);
  return value;
}

export function shuffleOf(value: Value): readonly number[] | undefined {
  return shuffles.get(value);
}

/** Layers that something needs, numbered in their order; values that remain. */
export function finished(draft: Draft, more: Partial<Program> = {}): Program {
  const program = { ...draft.program, ...more };
  const needed = new Set<Value>([
    ...program.outputs.map(({ value }) => value),
    ...program.states.map(({ next }) => next),
  ]);
  const kept = draft.layers
    .toReversed()
    .filter((layer) => {
      const wanted = layer.outputs.some((value) => value && needed.has(value));
      if (wanted) for (const value of layer.inputs) if (value) needed.add(value);
      return wanted;
    })
    .reverse();
  const optional = new Set(['GRU', 'LSTM', 'RNN', 'Int8GRU', 'Int8LSTM']);
  const layers = kept.map((layer, index) =>
    Object.freeze({
      ...layer,
      index,
      outputs: optional.has(layer.operator)
        ? layer.outputs.map((value) => (value && needed.has(value) ? value : undefined))
        : layer.outputs,
    }),
  );
  for (const layer of layers) for (const value of layer.outputs) if (value) needed.add(value);
  for (const value of [...program.inputs, ...program.states.map(({ input }) => input)]) needed.add(value);
  const values = draft.values.filter((value) => needed.has(value)).map((value) => value);
  return Object.freeze({ ...program, layers: Object.freeze(layers), values: Object.freeze(values) });
}
