// Forecasts on the hub: the champion on a project's newest readings, in a worker process of its own.
import { SanderlingError } from '@sanderling/kit';
import type { Forecast } from '@sanderling/wire';
import type { Columns, ModelInput, WorkerPool } from '../workers/index.ts';
import type { Registry } from './registry.ts';
import type { VersionRecord } from './version-record.ts';

/** A measurement: milliseconds since 1970, and a value in the series' unit. */
export interface ForecastReading {
  readonly time: number;
  readonly value: number;
}

/** Where forecasts get readings from. */
export interface ReadingSource {
  /** The newest so many readings from a time on, in the order of time. */
  readings(
    project: string,
    query: { readonly from: number; readonly newest: number },
  ): Promise<readonly ForecastReading[]>;
  span(project: string): Promise<{ readonly lastTime: number | null }>;
}

/** What to forecast. */
export interface ForecastRequest {
  /** Steps ahead. @default the model's horizon */
  readonly steps?: number;
  /** Forecast from these instead of the stored ones. */
  readonly readings?: readonly ForecastReading[];
}

/** Most steps of one forecast, in horizons: each round feeds forecasts back as if they were readings, and errors grow. */
export const mostRounds = 10;
/** Longest time of one forecast, the start of its process included, milliseconds. */
const longestMs = 15_000;
/** Most readings in one request. */
export const mostReadings = 20_000;

/** Forecasts of the champions. */
export class Forecasts {
  readonly #registry: Registry;
  readonly #readings: ReadingSource;
  readonly #pool: WorkerPool;
  /** The champion last used of each project. */
  readonly #models = new Map<string, { readonly record: VersionRecord; readonly input: ModelInput }>();

  constructor(registry: Registry, readings: ReadingSource, pool: WorkerPool) {
    this.#registry = registry;
    this.#readings = readings;
    this.#pool = pool;
  }

  /** @throws NOT_FOUND without a champion, TOO_LITTLE_DATA, INVALID_ARGUMENT for too many steps */
  async forecast(project: string, request: ForecastRequest = {}): Promise<Forecast> {
    const { record, input } = await this.#champion(project);
    const { window, stepMs, horizon, maxInterpolateSteps } = input.preprocessing;
    const steps = request.steps ?? horizon;
    if (!Number.isInteger(steps) || steps < 1 || steps > mostRounds * horizon)
      throw new SanderlingError(
        'INVALID_ARGUMENT',
        `${steps} steps cannot be forecast; this model forecasts 1 to ${mostRounds * horizon} steps`,
        { where: 'steps' },
      );
    const spanMs = (window + 2 + maxInterpolateSteps) * stepMs;
    const readings = request.readings ?? (await this.#newest(project, spanMs));
    const task = { ...input, readings: columnsOf(readings), steps };
    const result = await this.#pool.run('forecast', task, { timeoutMs: longestMs });
    return {
      model: project,
      version: record.version,
      basedOn: { ...result.basedOn },
      forecast: result.points.map((point) => ({ ...point })),
    };
  }

  async #champion(project: string): Promise<{ readonly record: VersionRecord; readonly input: ModelInput }> {
    const known = this.#models.get(project);
    const record = await this.#registry.find(project, 'champion');
    if (record === undefined)
      throw new SanderlingError('NOT_FOUND', `project ${project} has no champion yet`, {
        fix: 'train it, and let a release roll out; or deploy a version',
      });
    if (known?.record.version === record.version) return known;
    const fresh = { record, input: await this.#registry.modelInput(record) };
    this.#models.set(project, fresh);
    return fresh;
  }

  async #newest(project: string, spanMs: number): Promise<readonly ForecastReading[]> {
    const { lastTime } = await this.#readings.span(project);
    if (lastTime === null)
      throw new SanderlingError('TOO_LITTLE_DATA', `project ${project} has no readings`, { fix: 'send some first' });
    return this.#readings.readings(project, { from: lastTime - spanMs, newest: mostReadings });
  }
}

function columnsOf(readings: readonly ForecastReading[]): Columns {
  if (readings.length > mostReadings)
    throw new SanderlingError('TOO_LARGE', `a forecast takes at most ${mostReadings} readings`, {
      fix: 'send the newest ones only',
    });
  const ordered = readings.toSorted((a, b) => a.time - b.time);
  return {
    times: Float64Array.from(ordered, ({ time }) => time),
    values: Float64Array.from(ordered, ({ value }) => value),
  };
}
