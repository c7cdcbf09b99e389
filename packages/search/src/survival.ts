// Who lives on in NSGA-II: fronts of constrained dominance, the last front thinned by crowding.
import { nonDominatedSort, type Costs } from './pareto.ts';
import { roomOf, spread } from './spread.ts';
import type { Judged } from './trial.ts';

/** A survivor with its front and its room. */
export interface Ranked {
  readonly judged: Judged;
  readonly rank: number;
  readonly crowding: number;
}

/** Fronts by constrained dominance: feasible ones by costs, then the infeasible by how much they break, then those without a result. */
export function constrainedFronts(all: readonly Judged[]): readonly (readonly Judged[])[] {
  const levels = new Map<number, Judged[]>();
  for (const judged of all) {
    const violation = judged.score?.violation ?? Infinity;
    const level = levels.get(violation);
    if (level === undefined) levels.set(violation, [judged]);
    else level.push(judged);
  }
  return [...levels]
    .sort(([a], [b]) => (a === b ? 0 : a - b))
    .flatMap(([violation, level]) => (violation === Infinity ? [level] : frontsOf(level)));
}

/** The `count` that live on, with rank and crowding. */
export function survive(all: readonly Judged[], count: number): readonly Ranked[] {
  const survivors: Ranked[] = [];
  for (const [rank, front] of constrainedFronts(all).entries()) {
    const room = count - survivors.length;
    if (room <= 0) break;
    const kept = thin(front, room);
    const crowding = crowdingOf(kept);
    survivors.push(...kept.map((judged, i) => ({ judged, rank, crowding: crowding[i]! })));
  }
  return survivors;
}

function frontsOf(level: readonly Judged[]): readonly (readonly Judged[])[] {
  return nonDominatedSort(costsOf(level)).map((front) => front.map((i) => level[i]!));
}

function thin(front: readonly Judged[], room: number): readonly Judged[] {
  if (front[0]?.score === undefined) return front.slice(0, room);
  return spread(costsOf(front), room).map((i) => front[i]!);
}

function crowdingOf(front: readonly Judged[]): Float64Array {
  return front[0]?.score === undefined ? new Float64Array(front.length) : roomOf(costsOf(front));
}

function costsOf(front: readonly Judged[]): readonly Costs[] {
  return front.map(({ score }) => score!.costs);
}
