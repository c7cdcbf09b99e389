// Ask and tell: a search proposes trials, its user runs them anywhere and tells what came of them. The whole state is the list of trials.
import { canonicalJson, SanderlingError } from '@sanderling/kit';
import type { Algorithm, Study } from './algorithm.ts';
import { checkAlgorithm, createAlgorithm, type AlgorithmConfig } from './algorithms.ts';
import { checkAims, type Aims, type Constraint, type Goal } from './goals.ts';
import { hypervolume } from './hypervolume.ts';
import { paretoFront } from './pareto.ts';
import { compareJudged } from './ranking.ts';
import {
  checkParams,
  keyOf,
  sizeOf,
  spaceFromJson,
  spaceToJson,
  type AnySpace,
  type Params,
  type Space,
} from './space.ts';
import { finish, judge, type Judged, type Outcome, type Trial, type TrialRecord } from './trial.ts';
import { shown } from './shown.ts';

/** What a search is after, and where it starts. */
export interface SearchOptions<P extends object = Params> {
  /** The same seed and the same results give the same trials, however many run at once. @default 0 */
  readonly seed?: number | string;
  /** @default one goal named 'value', to minimise */
  readonly goals?: readonly Goal[];
  /** @default none */
  readonly constraints?: readonly Constraint[];
  /** How many trials there will be. @default no limit */
  readonly trials?: number;
  /** Parameters to try first, for example those of the model in use. @default none */
  readonly initial?: readonly P[];
}

/** A search as plain JSON: `restoreSearch` goes on from it exactly as the search itself would have. */
export interface SearchState {
  readonly version: 1;
  readonly algorithm: AlgorithmConfig;
  readonly space: ReturnType<typeof spaceToJson>;
  readonly seed: number | string;
  readonly goals: readonly Goal[];
  readonly constraints: readonly Constraint[];
  readonly limit: number | null;
  readonly initial: readonly Params[];
  readonly trials: readonly TrialRecord[];
}

/** The best value known after a trial. */
export interface BestSoFar {
  readonly id: number;
  readonly value: number;
}

/** A running search. */
export interface Search<P extends object = Params> {
  /** Parameters to try next; undefined when the search waits for outstanding trials, or is exhausted. */
  ask(): Trial<P> | undefined;
  /** What came of a trial. Telling the same again does nothing. @throws NOT_FOUND, CONFLICT on another outcome than before, INVALID_ARGUMENT on bad values */
  tell(id: number, outcome: Outcome): void;
  /** Trials that were asked for and not told: after a restart they must be run again. */
  outstanding(): readonly Trial<P>[];
  /** Every trial by id. */
  trials(): readonly TrialRecord<P>[];
  /** The best complete trial by the first goal that keeps all constraints. */
  best(): TrialRecord<P> | undefined;
  /** The best value of the first goal after each complete trial that keeps the constraints, in the order of ids. */
  history(): readonly BestSoFar[];
  /** Complete trials that keep all constraints and that no other dominates. */
  front(): readonly TrialRecord<P>[];
  /**
   * What the front dominates, up to a reference point given in the goals' own units, one number a goal.
   * @throws INVALID_ARGUMENT when the reference does not fit
   */
  hypervolume(reference: readonly number[]): number;
  /** Whether `ask` will never give another trial: the limit is reached, or everything in the space was tried. */
  readonly exhausted: boolean;
  /** Plain JSON of everything. */
  state(): SearchState;
}

/**
 * Starts a search.
 * @example const search = createSearch(genetic(), space({ hidden: int(8, 64) }), { seed: 1, trials: 100 });
 * @throws INVALID_CONFIG on a bad algorithm, goal or constraint, INVALID_ARGUMENT on initial parameters outside the space
 */
export function createSearch<P extends object>(
  algorithm: AlgorithmConfig,
  space: Space<P>,
  options: SearchOptions<P> = {},
): Search<P> {
  const {
    seed = 0,
    goals = [{ name: 'value', direction: 'minimize' }],
    constraints = [],
    trials,
    initial = [],
  } = options;
  if (typeof seed !== 'string' && typeof seed !== 'number')
    throw new SanderlingError('INVALID_CONFIG', `seed is ${shown(seed)}, not a number or a text`, { where: 'seed' });
  const aims = checkAims(goals, constraints);
  const setup = { algorithm: checkAlgorithm(algorithm, goals.length), space: space, aims, seed };
  return new SearchOfTrials({
    ...setup,
    limit: checkLimit(trials),
    initial: initial.map((params) => checkParams(space, params)),
  }) as unknown as Search<P>;
}

/**
 * Goes on from a stored state. With a space, its type is known and the stored space must be the same.
 * @throws INVALID_CONFIG, INVALID_ARGUMENT or CORRUPT on a state that is none, CONFLICT on another space
 */
export function restoreSearch<P extends object = Params>(state: unknown, space?: Space<P>): Search<P> {
  if (typeof state !== 'object' || state === null || (state as SearchState).version !== 1)
    throw corrupt('this is not the state of a search');
  const stored = state as SearchState;
  const storedSpace = spaceFromJson(stored.space);
  if (space !== undefined && canonicalJson(spaceToJson(space)) !== canonicalJson(spaceToJson(storedSpace))) {
    throw new SanderlingError('CONFLICT', 'the search was begun with another space', {
      where: 'space',
      fix: 'start a new search, or put the space back',
    });
  }
  if (!Array.isArray(stored.initial)) throw corrupt('the initial parameters are not a list');
  const search = createSearch(stored.algorithm, storedSpace as unknown as Space<P>, {
    seed: stored.seed,
    goals: stored.goals,
    constraints: stored.constraints,
    ...(stored.limit === null ? {} : { trials: stored.limit }),
    initial: stored.initial as unknown as readonly P[],
  }) as unknown as SearchOfTrials;
  search.replay(stored.trials);
  return search as unknown as Search<P>;
}

interface Setup {
  readonly algorithm: AlgorithmConfig;
  readonly space: AnySpace;
  readonly aims: Aims;
  readonly seed: number | string;
  readonly limit: number | undefined;
  readonly initial: readonly Params[];
}

class SearchOfTrials implements Search, Study {
  readonly space: AnySpace;
  readonly aims: Aims;
  readonly seed: number | string;
  readonly #setup: Setup;
  readonly #algorithm: Algorithm;
  readonly #trials: TrialRecord[] = [];
  readonly #judged: (Judged | undefined)[] = [];
  readonly #keys = new Set<string>();
  #finishedBelow = 0;
  #last: { readonly params: Params; readonly key: string } | undefined;
  #size: number | undefined;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#algorithm = createAlgorithm(setup.algorithm);
    this.space = setup.space;
    this.aims = setup.aims;
    this.seed = setup.seed;
  }

  ask(): Trial | undefined {
    if (this.exhausted) return undefined;
    const id = this.#trials.length;
    const params = this.#setup.initial[id] ?? this.#algorithm.propose(id, this);
    return params === undefined ? undefined : this.#add(id, params);
  }

  tell(id: number, outcome: Outcome): void {
    const trial = this.#trials[id];
    if (trial === undefined)
      throw new SanderlingError('NOT_FOUND', `there is no trial ${id}`, { where: `trials[${id}]` });
    const record = finish(trial, outcome, this.aims);
    if (trial.state !== 'running') {
      if (canonicalJson(record) === canonicalJson(trial)) return;
      throw new SanderlingError('CONFLICT', `trial ${id} was told before, with another outcome`, {
        where: `trials[${id}]`,
      });
    }
    this.#trials[id] = record;
    this.#judged[id] = judge(record, this.aims);
    while (this.#judged[this.#finishedBelow] !== undefined) this.#finishedBelow++;
  }

  outstanding(): readonly Trial[] {
    return this.#trials.filter(({ state }) => state === 'running').map(({ id, params }) => ({ id, params }));
  }

  trials(): readonly TrialRecord[] {
    return [...this.#trials];
  }

  best(): TrialRecord | undefined {
    const [best] = this.#feasible().sort(compareJudged);
    return best === undefined ? undefined : this.#trials[best.id];
  }

  history(): readonly BestSoFar[] {
    const { name, direction } = this.aims.goals[0]!;
    const better = direction === 'minimize' ? Math.min : Math.max;
    const out: BestSoFar[] = [];
    for (const { id } of this.#feasible()) {
      const value = this.#trials[id]!.values![name]!;
      out.push({ id, value: out.length === 0 ? value : better(value, out.at(-1)!.value) });
    }
    return out;
  }

  front(): readonly TrialRecord[] {
    const feasible = this.#feasible();
    return paretoFront(feasible.map(({ score }) => score!.costs)).map((i) => this.#trials[feasible[i]!.id]!);
  }

  hypervolume(reference: readonly number[]): number {
    const costs = this.front().map(({ id }) => this.#judged[id]!.score!.costs);
    return hypervolume(
      costs,
      reference.map((value, i) => (this.aims.goals[i]?.direction === 'maximize' ? -value : value)),
    );
  }

  get exhausted(): boolean {
    const asked = this.#trials.length;
    if (asked >= (this.#setup.limit ?? Infinity)) return true;
    if (asked < this.#setup.initial.length) return false;
    this.#size ??= sizeOf(this.space);
    return this.#keys.size >= this.#size;
  }

  state(): SearchState {
    const { algorithm, aims, seed, limit, initial } = this.#setup;
    const { goals, constraints } = aims;
    const space = spaceToJson(this.space);
    return {
      version: 1,
      algorithm,
      space,
      seed,
      goals,
      constraints,
      limit: limit ?? null,
      initial,
      trials: this.trials(),
    };
  }

  /** Puts stored trials back, in order. */
  replay(trials: readonly TrialRecord[]): void {
    if (!Array.isArray(trials)) throw corrupt('the trials are not a list');
    for (const [i, trial] of trials.entries()) {
      if (trial?.id !== i) throw corrupt(`trial ${i} is missing or out of order`);
      this.#add(i, checkParams(this.space, trial.params));
      if (trial.state !== 'running') this.tell(i, trial as Outcome);
    }
  }

  get finishedBelow(): number {
    return this.#finishedBelow;
  }

  judged(id: number): Judged {
    const judged = this.#judged[id];
    if (judged === undefined) throw new SanderlingError('INTERNAL', `trial ${id} is not finished`);
    return judged;
  }

  params(id: number): Params {
    return this.#trials[id]!.params;
  }

  seen(params: Params): boolean {
    return this.#keys.has(this.#keyOf(params));
  }

  /** The key of the last parameters is kept: those that were found to be new are added next. */
  #keyOf(params: Params): string {
    if (this.#last?.params !== params) this.#last = { params, key: keyOf(this.space, params) };
    return this.#last.key;
  }

  #add(id: number, params: Params): Trial {
    this.#trials.push(Object.freeze({ id, params, state: 'running' }));
    this.#keys.add(this.#keyOf(params));
    return { id, params };
  }

  #feasible(): Judged[] {
    return this.#judged.filter((judged) => judged?.score?.violation === 0) as Judged[];
  }
}

function checkLimit(trials: number | undefined): number | undefined {
  if (trials === undefined || (Number.isSafeInteger(trials) && trials >= 1)) return trials;
  throw new SanderlingError('INVALID_CONFIG', `trials is ${shown(trials)}, not a whole number from 1`, {
    where: 'trials',
  });
}

function corrupt(message: string): SanderlingError {
  return new SanderlingError('CORRUPT', message, {
    where: 'state',
    fix: 'restore the last state that was stored whole',
  });
}
