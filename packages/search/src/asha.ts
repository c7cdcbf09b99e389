// ASHA, asynchronous successive halving (Li et al. 2020), in its stopping form: at resources r, rη, rη² … a trial goes on only while it is among the best
// 1/η of those that got there. It decides at once and waits for nobody; so, unlike a search, its decisions depend on the order of reports.
import { SanderlingError } from '@sanderling/kit';
import { checkOptions } from './options.ts';
import { shown } from './shown.ts';

/** How trials are halved. */
export interface AshaOptions {
  /** Trials are never stopped before this step. @default 1 */
  readonly minResource?: number;
  /** The last step of a trial; from here on nothing is stopped. @default no end */
  readonly maxResource?: number;
  /** One in so many goes on at each rung. @default 4 */
  readonly reduction?: number;
  /** Trials are dealt to so many brackets; each bracket begins to stop one rung later. @default 1 */
  readonly brackets?: number;
  /** @default 'minimize' */
  readonly direction?: 'minimize' | 'maximize';
}

/** What a trial shall do. */
export type Verdict = 'continue' | 'stop';

/** One bracket's rung: every trial that got there with its cost. */
interface Rung {
  readonly costs: Map<number, number>;
  readonly stopped: Set<number>;
}

/** The scheduler as plain JSON. */
export interface AshaState {
  readonly version: 1;
  readonly options: AshaOptions;
  readonly rungs: readonly {
    readonly bracket: number;
    readonly rung: number;
    /** Trial and cost (the negative of a value to maximise); null is a value that was not finite. */
    readonly costs: readonly (readonly [number, number | null])[];
    readonly stopped: readonly number[];
  }[];
}

/** The scheduler. Memory grows by one number for each trial and rung. */
export interface Asha {
  /**
   * Reports the value of a trial after some steps (from 1). A repeated report gets the same answer; a value that is not finite stops the trial.
   * @throws INVALID_ARGUMENT on an impossible trial or step
   */
  report(trial: number, step: number, value: number): Verdict;
  state(): AshaState;
}

const rules = {
  minResource: { low: 1, high: Number.MAX_SAFE_INTEGER },
  maxResource: { low: 1, high: Number.MAX_SAFE_INTEGER },
  reduction: { low: 2, high: 1000 },
  brackets: { low: 1, high: 20, whole: true },
} as const;

/** A scheduler. @throws INVALID_CONFIG on options out of range */
export function createAsha(options: AshaOptions = {}): Asha {
  return new SuccessiveHalving(options);
}

/** Goes on from a stored state. @throws CORRUPT, INVALID_CONFIG */
export function restoreAsha(state: unknown): Asha {
  const stored = state as AshaState;
  if (typeof state !== 'object' || state === null || stored.version !== 1 || !Array.isArray(stored.rungs))
    throw corrupt();
  const asha = new SuccessiveHalving(stored.options);
  asha.load(stored.rungs);
  return asha;
}

class SuccessiveHalving implements Asha {
  readonly #options: AshaOptions;
  readonly #rungs = new Map<string, Rung>();

  constructor(options: AshaOptions) {
    const { direction = 'minimize', ...numbers } = options;
    if (direction !== 'minimize' && direction !== 'maximize')
      throw new SanderlingError('INVALID_CONFIG', `the direction is ${shown(direction)}`, { where: 'direction' });
    checkOptions('asha', numbers, rules);
    this.#options = Object.freeze({ ...options });
  }

  report(trial: number, step: number, value: number): Verdict {
    if (!Number.isSafeInteger(trial) || trial < 0) throw invalid('trial', trial);
    if (!Number.isFinite(step) || step <= 0) throw invalid('step', step);
    const { minResource = 1, maxResource = Infinity, reduction = 4, brackets = 1, direction } = this.#options;
    const cost = !Number.isFinite(value) ? Infinity : direction === 'maximize' ? -value : value;
    const bracket = trial % brackets;
    let verdict: Verdict = 'continue';
    for (let rung = bracket; minResource * reduction ** rung <= Math.min(step, maxResource); rung++) {
      const isLast = minResource * reduction ** rung >= maxResource;
      if (this.#judge(trial, cost, this.#rung(bracket, rung)) && !isLast) verdict = 'stop';
    }
    return Number.isFinite(value) ? verdict : 'stop';
  }

  /** Whether the trial is stopped at the rung; decided once. */
  #judge(trial: number, cost: number, { costs, stopped }: Rung): boolean {
    if (costs.has(trial)) return stopped.has(trial);
    costs.set(trial, cost);
    let better = 0;
    for (const other of costs.values()) if (other < cost) better++;
    const places = Math.max(1, Math.floor(costs.size / (this.#options.reduction ?? 4)));
    if (better >= places) stopped.add(trial);
    return better >= places;
  }

  #rung(bracket: number, rung: number): Rung {
    const key = `${bracket}:${rung}`;
    const found = this.#rungs.get(key) ?? { costs: new Map(), stopped: new Set() };
    this.#rungs.set(key, found);
    return found;
  }

  state(): AshaState {
    const rungs = [...this.#rungs].map(([key, { costs, stopped }]) => {
      const [bracket, rung] = key.split(':').map(Number) as [number, number];
      const entries = [...costs].map(([trial, cost]) => [trial, Number.isFinite(cost) ? cost : null] as const);
      return { bracket, rung, costs: entries, stopped: [...stopped] };
    });
    return { version: 1, options: this.#options, rungs };
  }

  load(rungs: AshaState['rungs']): void {
    for (const entry of rungs) {
      if (!isRung(entry)) throw corrupt();
      const rung = this.#rung(entry.bracket, entry.rung);
      for (const [trial, cost] of entry.costs) rung.costs.set(trial, cost ?? Infinity);
      for (const trial of entry.stopped) rung.stopped.add(trial);
    }
  }
}

function isRung(entry: AshaState['rungs'][number]): boolean {
  const isId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  return (
    typeof entry === 'object' &&
    entry !== null &&
    isId(entry.bracket) &&
    isId(entry.rung) &&
    Array.isArray(entry.costs) &&
    entry.costs.every(
      (pair) => Array.isArray(pair) && isId(pair[0]) && (pair[1] === null || Number.isFinite(pair[1])),
    ) &&
    Array.isArray(entry.stopped) &&
    entry.stopped.every(isId)
  );
}

function invalid(where: string, value: number): SanderlingError {
  return new SanderlingError('INVALID_ARGUMENT', `${where} is ${shown(value)}`, {
    where,
    fix: 'trials count from 0, steps from above 0',
  });
}

function corrupt(): SanderlingError {
  return new SanderlingError('CORRUPT', 'this is not the state of a scheduler', {
    where: 'state',
    fix: 'restore the last state that was stored whole',
  });
}
