// Which of two trials is better: Deb's constrained dominance (2002). Feasible before infeasible before unfinished; among infeasible the smaller violation.
import type { Judged } from './trial.ts';
import type { Score } from './goals.ts';

/** Order for one goal, best first: complete, then pruned, then failed trials; ties by id, so that the order never depends on who finished first. */
export function compareJudged(a: Judged, b: Judged): number {
  return compareScores(a.score, b.score) || compareScores(a.partial, b.partial) || a.id - b.id;
}

function compareScores(a: Score | undefined, b: Score | undefined): number {
  if (a === undefined && b === undefined) return 0;
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return a.violation - b.violation || a.costs[0]! - b.costs[0]!;
}
