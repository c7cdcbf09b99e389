// The search space of a project: what its author said, and what suits the task where nothing was said.
import type { ParamValue } from '@sanderling/search';
import type { SuggestedDimension } from '@sanderling/series';
import type { ProjectSpec, SearchDimension } from '@sanderling/wire';
import type { Prepared, TrialParams } from '../../workers/index.ts';

type SpaceSpec = ProjectSpec['search']['space'];
type Said = SpaceSpec[keyof SpaceSpec];

/** The largest window that the search may choose, or 'auto' when the author left it open. */
export function largestWindow(space: SpaceSpec): number | 'auto' {
  const said = space.window;
  if (said === undefined) return 'auto';
  if (typeof said !== 'object') return Number(said);
  return said.type === 'choice' ? Math.max(...said.options.map(Number)) : Math.floor(said.high);
}

/** Every parameter of a trial as a stored dimension (see packages/search); a fixed one is a choice with one option. */
export function searchSpace(
  space: SpaceSpec,
  { suggested }: Pick<Prepared, 'suggested'>,
): { version: 1; parameters: object[] } {
  const defaults: Record<keyof TrialParams, object> = {
    cell: choice(['gru']),
    hidden: fromSpec(suggested.space.hidden),
    window: fromSpec(suggested.space.window),
    learningRate: fromSpec(suggested.space.learningRate),
    batch: fromSpec(suggested.space.batch),
    dropout: fromSpec(suggested.space.dropout),
  };
  const names = Object.keys(defaults) as (keyof TrialParams)[];
  return {
    version: 1,
    parameters: names.map((name) => ({
      name,
      ...(space[name] === undefined ? defaults[name] : toDimension(space[name])),
    })),
  };
}

/** What to try first: what is known to work, when the author left the whole space open. */
export function firstTrials(space: SpaceSpec, { suggested, largestWindow }: Prepared): TrialParams[] {
  if (Object.values(space).some((said) => said !== undefined)) return [];
  return [{ cell: 'gru', window: largestWindow, ...suggested.start }];
}

function toDimension(said: NonNullable<Said>): object {
  if (typeof said !== 'object') return choice([said]);
  return fromSpec(said);
}

function fromSpec(dimension: SearchDimension | SuggestedDimension): object {
  switch (dimension.type) {
    case 'int':
      return { kind: 'int', low: dimension.low, high: dimension.high, step: 1, log: dimension.log };
    case 'float':
      return { kind: 'float', low: dimension.low, high: dimension.high, log: dimension.log };
    case 'choice':
      return choice(dimension.options);
  }
}

function choice(options: readonly ParamValue[]): { kind: 'choice'; options: readonly ParamValue[] } {
  return { kind: 'choice', options };
}
