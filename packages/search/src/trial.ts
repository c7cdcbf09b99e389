// A trial: parameters that were asked for, and what came of them.
import { SanderlingError } from '@sanderling/kit';
import { metricNames, scoreOf, type Aims, type Score } from './goals.ts';
import type { Params } from './space.ts';
import { shown } from './shown.ts';

/** Parameters to try. */
export interface Trial<P extends object = Params> {
  /** 0, 1, 2 … in the order asked. */
  readonly id: number;
  readonly params: P;
}

/** How a trial ended. A search with one goal and no other metric may be told `value`. */
export type Outcome =
  | { readonly state?: 'complete'; readonly value: number }
  | { readonly state?: 'complete'; readonly values: Readonly<Record<string, number>> | readonly number[] }
  | {
      readonly state: 'pruned';
      readonly value?: number;
      readonly values?: Readonly<Record<string, number>> | readonly number[];
    }
  | { readonly state: 'failed'; readonly reason?: string };

/** A trial and its end, plain data. `values` is there when complete, perhaps when pruned (the last ones seen). */
export interface TrialRecord<P extends object = Params> extends Trial<P> {
  readonly state: 'running' | 'complete' | 'pruned' | 'failed';
  readonly values?: Readonly<Record<string, number>>;
  readonly reason?: string;
}

/** A finished trial with what algorithms see of it; only a complete one has a score. */
export interface Judged {
  readonly id: number;
  readonly params: Params;
  readonly score: Score | undefined;
  /** Of a pruned trial, where its last values are known. */
  readonly partial?: Score | undefined;
}

/** The record of a trial with its outcome. @throws INVALID_ARGUMENT on missing, unknown or non-finite values */
export function finish(trial: Trial, outcome: Outcome, aims: Aims): TrialRecord {
  const { id, params } = trial;
  if (typeof outcome !== 'object' || outcome === null) throw invalid(id, 'an outcome is an object');
  const state = outcome.state ?? 'complete';
  switch (state) {
    case 'failed': {
      const reason = 'reason' in outcome && outcome.reason !== undefined ? outcome.reason : undefined;
      return Object.freeze({ id, params, state, ...(reason === undefined ? {} : { reason }) });
    }
    case 'pruned':
    case 'complete': {
      const values = valuesOf(outcome, aims, id);
      if (values === undefined && state === 'complete') throw invalid(id, 'a complete trial needs its values');
      return Object.freeze({ id, params, state, ...(values === undefined ? {} : { values }) });
    }
    default:
      throw invalid(id, `${shown(state satisfies never)} is no end of a trial`);
  }
}

/** What algorithms see of a finished trial: a pruned one keeps the score of its last values apart, as it is no measure of the finished thing. */
export function judge(record: TrialRecord, aims: Aims): Judged {
  const { id, params, state, values } = record;
  const score = values === undefined ? undefined : scoreOf(aims, values);
  return {
    id,
    params,
    score: state === 'complete' ? score : undefined,
    partial: state === 'pruned' ? score : undefined,
  };
}

function valuesOf(outcome: Outcome, aims: Aims, id: number): Readonly<Record<string, number>> | undefined {
  const names = metricNames(aims);
  const given = 'values' in outcome && outcome.values !== undefined ? outcome.values : listOf(outcome);
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null) throw invalid(id, 'values are a list, or an object of numbers');
  const named = isList(given) ? byOrder(given, names, id) : given;
  return Object.freeze(
    Object.fromEntries(
      names.map((name) => {
        const value = Object.hasOwn(named, name) ? named[name] : undefined;
        if (typeof value === 'number' && Number.isFinite(value)) return [name, value];
        throw invalid(
          id,
          `${name} is ${shown(value)}, not a finite number`,
          "tell a trial without a result as { state: 'failed' }",
        );
      }),
    ),
  );
}

function listOf(outcome: Outcome): readonly number[] | undefined {
  return 'value' in outcome && outcome.value !== undefined ? [outcome.value] : undefined;
}

function byOrder(list: readonly number[], names: readonly string[], id: number): Readonly<Record<string, number>> {
  if (list.length !== names.length) {
    throw invalid(
      id,
      `${list.length} values for ${names.length} metrics`,
      `give ${names.join(', ')} in this order, or by name`,
    );
  }
  return Object.fromEntries(names.map((name, i) => [name, list[i]!]));
}

function isList(values: object): values is readonly number[] {
  return Array.isArray(values);
}

function invalid(id: number, message: string, fix?: string): SanderlingError {
  return new SanderlingError('INVALID_ARGUMENT', `trial ${id}: ${message}`, {
    where: `trials[${id}]`,
    ...(fix === undefined ? {} : { fix }),
  });
}
