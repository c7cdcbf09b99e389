// The memory plan of a program: the place of every value, the scratch of every layer, and how near that is to the least possible.
import type { Layer, Program, Value } from '../ir.ts';
import { layerRules } from '../operators/table.ts';
import { packArena, type Block } from './arena.ts';
import { storageOf, type Place } from './storage.ts';

/** Where everything lies. Offsets are bytes in the arena. */
export interface MemoryPlan {
  readonly placeOf: ReadonlyMap<Value, Place>;
  readonly offsetOf: ReadonlyMap<Place, number>;
  readonly scratchOf: ReadonlyMap<Layer, number>;
  /** Layers that cost nothing: their output lies where their input lies. */
  readonly free: ReadonlySet<Layer>;
  readonly arenaBytes: number;
  /** The largest sum of tensors (and scratch) that are live at the same time, in bytes. */
  readonly boundBytes: number;
}

export function planMemory(program: Program): MemoryPlan {
  const { placeOf, free } = storageOf(program);
  const places = [...new Set(placeOf.values())].filter(({ home }) => home === 'temporary');
  const scratches = program.layers
    .map((layer) => ({ layer, bytes: layerRules[layer.operator]?.scratch?.(layer) ?? 0 }))
    .filter(({ bytes }) => bytes > 0);
  const blocks: readonly Block[] = [
    ...places,
    ...scratches.map(({ layer, bytes }) => ({ bytes, first: layer.index, last: layer.index })),
  ];
  const { offsets, bytes, bound } = packArena(blocks);
  return {
    placeOf,
    free,
    offsetOf: new Map(places.map((place, i) => [place, offsets[i]!])),
    scratchOf: new Map(scratches.map(({ layer }, i) => [layer, offsets[places.length + i]!])),
    arenaBytes: bytes,
    boundBytes: bound,
  };
}
