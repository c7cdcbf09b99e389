// The search space of a project: what its author said, and what suits the task where nothing was said.
import type { ParamValue } from '@sanderling/search';
import type { ProjectSpec, SearchDimension } from '@sanderling/wire';
import type { TrialParams } from '../../workers/index.ts';

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
export function searchSpace(space: SpaceSpec, largest: number): { version: 1; parameters: unknown[] } {
  const parts = [1 / 2, 3 / 4, 1].map((share) => Math.max(2, Math.round(largest * share)));
  const defaults = {
    cell: choice(['gru']),
    hidden: { kind: 'int', low: 8, high: 40, step: 1, log: true },
    window: choice([...new Set(parts)]),
    learningRate: { kind: 'float', low: 0.002, high: 0.02, log: true },
    batch: choice([64, 128]),
    dropout: { kind: 'float', low: 0, high: 0.2, log: false },
  } as const satisfies Record<keyof TrialParams, object>;
  const names = Object.keys(defaults) as (keyof TrialParams)[];
  return {
    version: 1,
    parameters: names.map((name) => ({
      name,
      ...(space[name] === undefined ? defaults[name] : toDimension(space[name])),
    })),
  };
}

function toDimension(said: NonNullable<Said>): object {
  if (typeof said !== 'object') return choice([said]);
  return fromSpec(said);
}

function fromSpec(dimension: SearchDimension): object {
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
