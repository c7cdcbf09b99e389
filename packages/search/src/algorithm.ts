// What an algorithm is: given everything before trial `id`, the parameters of trial `id`. Never more state than the trials themselves, so that a
// search resumes from its list of trials, and never the order in which results came in.
import { createRandom, type Random } from '@sanderling/kit';
import type { Aims } from './goals.ts';
import { samplesOf, sizeOf, type Params, type AnySpace } from './space.ts';
import { drawParams } from './coordinate.ts';
import type { Judged } from './trial.ts';

/** What an algorithm may look at. */
export interface Study {
  readonly space: AnySpace;
  readonly aims: Aims;
  readonly seed: number | string;
  /** All trials below this id are finished; `judged(id)` is there for them. */
  readonly finishedBelow: number;
  judged(id: number): Judged;
  /** The parameters of an earlier trial, finished or not. */
  params(id: number): Params;
  /** Whether an earlier trial had these parameters. */
  seen(params: Params): boolean;
}

/** One search algorithm at work. */
export interface Algorithm {
  /** The parameters of trial `id`, or undefined while it must wait for earlier trials. */
  propose(id: number, study: Study): Params | undefined;
}

const attempts = 50;

/** The random stream of one trial: the same however often the search was resumed. */
export function streamOf(study: Study, id: number): Random {
  return createRandom(study.seed, `trial-${id}`);
}

/** The first of some proposals that is new; then a uniform sample that is new; then, when nearly all are used up, one of the rest. */
export function newParams(study: Study, random: Random, propose: () => Params): Params {
  for (let i = 0; i < attempts; i++) {
    const params = propose();
    if (!study.seen(params)) return params;
  }
  return unseenParams(study, random);
}

function unseenParams(study: Study, random: Random): Params {
  for (let i = 0; i < attempts; i++) {
    const params = drawParams(study.space, random);
    if (!study.seen(params)) return params;
  }
  const rest =
    sizeOf(study.space) === Infinity ? [] : [...samplesOf(study.space)].filter((params) => !study.seen(params));
  return rest.length > 0 ? random.pick(rest) : drawParams(study.space, random);
}
