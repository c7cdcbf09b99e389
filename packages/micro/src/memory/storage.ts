// Where values live: in the caller's buffers, in flash, or in the arena; and which of them share a place because one follows the other.
import { bytesOf, type Layer, type Program, type Value } from '../ir.ts';
import { layerRules } from '../operators/table.ts';

/** A place that the caller or the flash provides. */
type Home = Value['role'];

/** Values that share memory. `home`: the fixed place they have, or temporary for the arena; `last`: the last layer that reads one. */
export interface Place {
  readonly members: readonly Value[];
  readonly home: Home;
  /** Index of the layer that writes it first. */
  readonly first: number;
  /** Index of the last layer that reads it; the number of layers if it is needed at the end. */
  readonly last: number;
  readonly bytes: number;
}

/** The place of every value, and the layers that cost nothing because their output lies where their input lies. */
export interface Storage {
  readonly placeOf: ReadonlyMap<Value, Place>;
  readonly free: ReadonlySet<Layer>;
}

interface Draft {
  members: Value[];
  home: Home;
  first: number;
  last: number;
}

/** Values are joined where an operator only renames (Reshape) or works element by element on a value that dies there (Relu). */
export function storageOf(program: Program): Storage {
  const last = lastUses(program);
  const drafts = new Map<Value, Draft>();
  for (const value of program.values) {
    const draft = { members: [value], home: value.role, first: 0, last: last.get(value) ?? 0 };
    drafts.set(value, draft);
  }
  const free = new Set<Layer>();
  for (const layer of program.layers) {
    for (const value of layer.outputs)
      if (value) {
        const draft = drafts.get(value)!;
        draft.first = layer.index;
        draft.last = Math.max(draft.last, layer.index);
      }
    if (joinAlias(layer, drafts)) free.add(layer);
    else joinInPlace(layer, drafts);
  }
  const places = new Map<Draft, Place>();
  for (const draft of new Set(drafts.values()))
    places.set(draft, Object.freeze({ ...draft, bytes: Math.max(...draft.members.map(bytesOf)) }));
  return { placeOf: new Map(Array.from(drafts, ([value, draft]) => [value, places.get(draft)!])), free };
}

function lastUses({ layers, outputs, states }: Program): ReadonlyMap<Value, number> {
  const last = new Map<Value, number>();
  for (const layer of layers) for (const value of layer.inputs) if (value) last.set(value, layer.index);
  for (const { value } of outputs) last.set(value, layers.length);
  for (const { input, next } of states) {
    last.set(next, layers.length);
    last.set(input, layers.length);
  }
  return last;
}

function joinAlias(layer: Layer, drafts: Map<Value, Draft>): boolean {
  const [x, y] = [layer.inputs[0], layer.outputs[0]];
  if (!x || !y || x.dtype !== y.dtype || !layerRules[layer.operator]?.alias?.(layer)) return false;
  const [from, to] = [drafts.get(x)!, drafts.get(y)!];
  // A state that is handed on must be read before any state is overwritten, so it is copied.
  if (from.home === 'state' || (to.home === 'output' && from.home !== 'temporary')) return false;
  join(from, to, drafts);
  return true;
}

function joinInPlace(layer: Layer, drafts: Map<Value, Draft>): void {
  const y = layer.outputs[0];
  if (!layerRules[layer.operator]?.elementwise || !y || layer.outputs.length > 1) return;
  const to = drafts.get(y)!;
  for (const x of layer.inputs) {
    const from = x && drafts.get(x)!;
    if (!from || from === to || from.home !== 'temporary' || from.last > layer.index) continue;
    if (x.dims.join() !== y.dims.join() || x.dtype !== y.dtype) continue;
    const others = layer.inputs.filter((other) => other && drafts.get(other) === from);
    if (others.some((other) => other!.dims.join() !== y.dims.join() || other!.dtype !== x.dtype)) continue;
    join(from, to, drafts);
    return;
  }
}

/** `from` takes in `to`. At most one of them has a fixed home. */
function join(from: Draft, to: Draft, drafts: Map<Value, Draft>): void {
  from.members.push(...to.members);
  from.last = Math.max(from.last, to.last);
  if (from.home === 'temporary') from.home = to.home;
  for (const value of to.members) drafts.set(value, from);
}
