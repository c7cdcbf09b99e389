// The order of layers: any that keeps every value ahead of its readers gives the same answers, and some need less memory. Branches are finished one by one where that
// keeps fewer tensors alive. Best-first search over the sets of layers that have run; the order that needs least is found exactly
// unless there are too many sets; then a greedy order is tried.
import { bytesOf, type Layer, type Program, type Value } from '../ir.ts';
import { layerRules } from '../operators/table.ts';
import { aligned } from './arena.ts';
import { planMemory } from './plan.ts';

/** Programs of more layers than this keep their order. */
const mostLayers = 256;

/** Looks at a tensor after which the search gives up: about a second. */
const mostLooks = 4_000_000;

/** The program with its layers in the order that needs the smallest arena: that of the file unless another one is smaller. */
export function cheapestOrder(program: Program): Program {
  const { layers } = program;
  if (layers.length < 3 || layers.length > mostLayers) return program;
  const filed = planMemory(program);
  const graph = new Needs(program);
  if (graph.leastPeak() >= graph.peakOf(layers.map((_, i) => i))) return program;
  const other = reordered(program, search(graph) ?? greedy(graph));
  return planMemory(other).arenaBytes < filed.arenaBytes ? other : program;
}

function reordered(program: Program, order: readonly number[]): Program {
  const layers = order.map((from, index) => Object.freeze({ ...program.layers[from]!, index }));
  return Object.freeze({ ...program, layers: Object.freeze(layers) });
}

/** Values that always share memory, and what of the arena they take; 0 in the caller's buffers or in flash. */
interface Tensor {
  bytes: number;
  /** Layers that must have run before it can go; a bit each. */
  users: bigint;
  /** Layers that write it first, a bit each; none for what is there from the start. */
  made: bigint;
}

/** What of memory each layer needs, given which layers have run. */
class Needs {
  readonly count: number;
  /** Layers that must run before another, by its index; a bit each. */
  readonly before: readonly bigint[];
  readonly #layers: readonly Layer[];
  readonly #tensors: readonly Tensor[];
  readonly #of: ReadonlyMap<Value, Tensor>;
  readonly #scratch: readonly number[];

  constructor(program: Program) {
    const { layers } = program;
    this.#layers = layers;
    this.count = layers.length;
    this.#scratch = layers.map((layer) => aligned(layerRules[layer.operator]?.scratch?.(layer) ?? 0));
    const maker = new Map(
      layers.flatMap((layer, i) => layer.outputs.flatMap((value) => (value ? [[value, i] as const] : []))),
    );
    this.before = layers.map(({ inputs }) => {
      const makers = inputs.flatMap((value) => (value ? (maker.get(value) ?? []) : []));
      return makers.reduce((bits, i) => bits | (1n << BigInt(i)), 0n);
    });
    this.#of = tensorsOf(program);
    this.#tensors = [...new Set(this.#of.values())].filter(({ bytes }) => bytes > 0);
  }

  /** How often a tensor has been looked at. */
  looks = 0;

  /** Bytes that are alive between layers. */
  live(done: bigint): number {
    let bytes = 0;
    this.looks += this.#tensors.length;
    for (const tensor of this.#tensors) if (isAlive(tensor, done)) bytes += tensor.bytes;
    return bytes;
  }

  /** Bytes while a layer runs, what is alive before it included. */
  during(layer: number, done: bigint, live: number): number {
    const { inputs, outputs, operator } = this.#layers[layer]!;
    const after = done | (1n << BigInt(layer));
    const made = new Set(outputs.flatMap((value) => (value ? [this.#of.get(value)!] : [])));
    let bytes = 0;
    for (const tensor of made) if ((tensor.made & done) === 0n) bytes += tensor.bytes;
    const [y] = outputs;
    const dying = inputs.some((value) => {
      const tensor = value && this.#of.get(value);
      return (
        tensor &&
        tensor.bytes > 0 &&
        !isAlive(tensor, after) &&
        value.dims.join() === y?.dims.join() &&
        value.dtype === y.dtype
      );
    });
    const inPlace = outputs.length === 1 && layerRules[operator]?.elementwise === true && dying;
    return live + (inPlace ? 0 : bytes) + this.#scratch[layer]!;
  }

  /** The peak of a whole order. */
  peakOf(order: readonly number[]): number {
    let [done, peak] = [0n, 0];
    for (const layer of order) {
      peak = Math.max(peak, this.during(layer, done, this.live(done)));
      done |= 1n << BigInt(layer);
    }
    return peak;
  }

  /** What some layer needs for itself, in whatever order: no peak can be lower. */
  leastPeak(): number {
    return Math.max(
      ...this.#layers.map(({ inputs, outputs }, i) => {
        const tensors = new Set([...inputs, ...outputs].flatMap((value) => (value ? [this.#of.get(value)!] : [])));
        const read = new Set(inputs.flatMap((value) => (value ? [this.#of.get(value)!] : [])));
        const all = [...tensors].reduce((sum, { bytes }) => sum + bytes, 0);
        const ins = [...read].reduce((sum, { bytes }) => sum + bytes, 0);
        return (layerRules[this.#layers[i]!.operator]?.elementwise ? ins : all) + this.#scratch[i]!;
      }),
    );
  }
}

const isAlive = ({ made, users }: Tensor, done: bigint): boolean => (made & done) !== 0n && (users & ~done) !== 0n;

/** Groups values as `storageOf` joins them whatever the order: renamings, and element-wise layers that alone read their input. */
function tensorsOf({ layers, values, outputs, states }: Program): ReadonlyMap<Value, Tensor> {
  const of = new Map<Value, Tensor>();
  const forever = 1n << BigInt(layers.length);
  for (const value of values)
    of.set(value, { bytes: value.role === 'temporary' ? aligned(bytesOf(value)) : 0, users: 0n, made: 0n });
  for (const [i, layer] of layers.entries()) {
    for (const value of layer.inputs) if (value) of.get(value)!.users |= 1n << BigInt(i);
    for (const value of layer.outputs) {
      if (!value) continue;
      of.get(value)!.made |= 1n << BigInt(i);
      of.get(value)!.users |= 1n << BigInt(i);
    }
  }
  for (const { value } of outputs) of.get(value)!.users |= forever;
  for (const { next } of states) of.get(next)!.users |= forever;
  const merge = (from: Tensor, to: Tensor): void => {
    from.bytes = from.bytes === 0 || to.bytes === 0 ? 0 : from.bytes;
    from.users |= to.users;
    from.made |= to.made;
    for (const [value, tensor] of of) if (tensor === to) of.set(value, from);
  };
  for (const [i, layer] of layers.entries()) {
    const [x, y] = [layer.inputs[0], layer.outputs[0]];
    const rule = layerRules[layer.operator];
    if (x && y && x.dtype === y.dtype && rule?.alias?.(layer)) {
      if (x.role !== 'state' && !(y.role === 'output' && x.role !== 'temporary')) merge(of.get(x)!, of.get(y)!);
    } else if (y && rule?.elementwise && layer.outputs.length === 1) {
      const alone = (value: Value): boolean => (of.get(value)!.users & ~of.get(value)!.made) === 1n << BigInt(i);
      const fits = (value: Value): boolean => value.dims.join() === y.dims.join() && value.dtype === y.dtype;
      const first = layer.inputs.find((value) => value?.role === 'temporary' && fits(value) && alone(value));
      if (first) merge(of.get(first)!, of.get(y)!);
    }
  }
  return of;
}

/** A set of layers that have run. */
interface State {
  readonly done: bigint;
  readonly size: number;
  readonly peak: number;
  readonly layer: number;
  readonly from: State | undefined;
}

/** The order of the lowest peak; undefined when there are too many to tell. */
function search(graph: Needs): readonly number[] | undefined {
  const seen = new Set<bigint>();
  const queue = new Queue();
  // What is below the peak that must come anyway is all the same, so that the search runs straight ahead there.
  queue.push({ done: 0n, size: 0, peak: graph.leastPeak(), layer: -1, from: undefined });
  for (let state = queue.pop(); state; state = queue.pop()) {
    if (seen.has(state.done)) continue;
    seen.add(state.done);
    if (state.size === graph.count) return pathTo(state);
    if (graph.looks > mostLooks) return undefined;
    for (const next of successors(graph, state)) if (!seen.has(next.done)) queue.push(next);
  }
  return undefined;
}

/** The layers that can run next; only one of them if it costs nothing, since then nothing is lost by running it now. */
function successors(graph: Needs, state: State): readonly State[] {
  const live = graph.live(state.done);
  const found: State[] = [];
  for (let layer = 0; layer < graph.count; layer += 1) {
    const bit = 1n << BigInt(layer);
    if ((state.done & bit) !== 0n || (graph.before[layer]! & ~state.done) !== 0n) continue;
    const peak = Math.max(state.peak, graph.during(layer, state.done, live));
    const next = { done: state.done | bit, size: state.size + 1, peak, layer, from: state };
    if (peak === state.peak && graph.live(next.done) <= live) return [next];
    found.push(next);
  }
  return found;
}

/** Always the layer that raises the peak least, and among those the one that leaves least alive. */
function greedy(graph: Needs): readonly number[] {
  let state: State = { done: 0n, size: 0, peak: 0, layer: -1, from: undefined };
  while (state.size < graph.count) {
    const next = successors(graph, state);
    const rank = next.map((one) => [one.peak, graph.live(one.done), one.layer] as const);
    const best = rank.toSorted((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])[0]!;
    state = next[rank.indexOf(best)]!;
  }
  return pathTo(state);
}

function pathTo(state: State): readonly number[] {
  const order: number[] = [];
  for (let at: State | undefined = state; at && at.layer >= 0; at = at.from) order.push(at.layer);
  return order.toReversed();
}

/** States by peak; among equals those that have come furthest, then those of earlier layers. */
class Queue {
  readonly #heap: State[] = [];

  push(state: State): void {
    const heap = this.#heap;
    let at = heap.push(state) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(state, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = state;
  }

  pop(): State | undefined {
    const heap = this.#heap;
    const [first, last] = [heap[0], heap.pop()];
    if (heap.length === 0 || !last) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: State, b: State): boolean {
  return a.peak !== b.peak ? a.peak < b.peak : a.size !== b.size ? a.size > b.size : a.layer < b.layer;
}
