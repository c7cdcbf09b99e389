// What a search is after: goals to make small or large, and bounds that a good trial keeps.
import { SanderlingError } from '@sanderling/kit';
import { shown } from './shown.ts';

/** A metric to make small or large. */
export interface Goal {
  readonly name: string;
  readonly direction: 'minimize' | 'maximize';
}

/** A metric that must stay within bounds: model size, latency, RAM. At least one bound is given. */
export interface Constraint {
  readonly name: string;
  readonly max?: number;
  readonly min?: number;
}

/** Goals and constraints together; the names are unique. */
export interface Aims {
  readonly goals: readonly Goal[];
  readonly constraints: readonly Constraint[];
}

/** Measured values as algorithms see them: every goal as a cost to make small, and by how much the bounds are broken in all (0 is feasible). */
export interface Score {
  readonly costs: readonly number[];
  readonly violation: number;
}

/** Checks and freezes. @throws INVALID_CONFIG */
export function checkAims(givenGoals: readonly Goal[], givenConstraints: readonly Constraint[]): Aims {
  if (!Array.isArray(givenGoals) || givenGoals.length === 0) throw invalid('goals', 'a search needs at least one goal');
  if (!Array.isArray(givenConstraints)) throw invalid('constraints', 'constraints are a list');
  const goals: readonly Goal[] = [...givenGoals];
  const constraints: readonly Constraint[] = [...givenConstraints];
  if (![...goals, ...constraints].every((aim) => typeof aim === 'object' && aim !== null))
    throw invalid('goals', 'a goal or constraint is no object');
  for (const { name, direction } of goals) {
    if (direction !== 'minimize' && direction !== 'maximize')
      throw invalid(`goals.${shown(name)}`, `the direction is minimize or maximize, not ${shown(direction)}`);
  }
  for (const { name, max, min } of constraints) {
    const bounds = [max, min].filter((bound) => bound !== undefined);
    if (bounds.length === 0 || !bounds.every(Number.isFinite))
      throw invalid(`constraints.${shown(name)}`, 'a constraint needs a finite max or min');
  }
  const names = [...goals, ...constraints].map(({ name }) => name);
  if (!names.every((name) => typeof name === 'string' && name !== '' && name !== '__proto__'))
    throw invalid('goals', 'every goal and constraint has a name');
  const goalNames = goals.map(({ name }) => name);
  if (new Set(goalNames).size < goalNames.length) throw invalid('goals', 'a goal stands twice');
  return Object.freeze({
    goals: Object.freeze(goals.map(({ name, direction }) => Object.freeze({ name, direction }))),
    constraints: Object.freeze(constraints.map((constraint) => Object.freeze({ ...constraint }))),
  });
}

/** The metrics that a complete trial must bring, each once, goals first. */
export function metricNames({ goals, constraints }: Aims): readonly string[] {
  return [...new Set([...goals, ...constraints].map(({ name }) => name))];
}

/** What algorithms see of the values. Violations are relative to their bound, so that bytes and milliseconds weigh alike. */
export function scoreOf({ goals, constraints }: Aims, values: Readonly<Record<string, number>>): Score {
  const costs = goals.map(({ name, direction }) => (direction === 'minimize' ? values[name]! : -values[name]!));
  const violation = constraints.reduce((sum, constraint) => sum + violationOf(constraint, values[constraint.name]!), 0);
  return { costs, violation };
}

function violationOf({ max, min }: Constraint, value: number): number {
  const above = max === undefined ? 0 : Math.max(0, value - max) / (Math.abs(max) || 1);
  const below = min === undefined ? 0 : Math.max(0, min - value) / (Math.abs(min) || 1);
  return above + below;
}

function invalid(where: string, message: string): SanderlingError {
  return new SanderlingError('INVALID_CONFIG', message, { where });
}
