// A forecast from the newest readings; more steps than the model's horizon are made by feeding forecasts back as readings.
import { sha256, SanderlingError } from '@sanderling/kit';
import { decodeForecast, WindowBuffer, type ForecastPoint } from '@sanderling/series';
import { readingsOf, type Columns } from './columns.ts';
import { Forecaster, type ModelInput } from './run-model.ts';

/** What to forecast from. */
export interface ForecastInput extends ModelInput {
  readonly readings: Columns;
  readonly steps: number;
}

/** The forecast, and the readings that it is based on. */
export interface ForecastResult {
  readonly points: readonly ForecastPoint[];
  readonly basedOn: { readonly firstTime: number; readonly lastTime: number; readonly rows: number };
}

/** Models that stay open. */
const keptModels = 4;
const open = new Map<string, Forecaster>();

/** @throws TOO_LITTLE_DATA when the readings do not fill the window up to the newest */
export async function forecast(input: ForecastInput): Promise<ForecastResult> {
  const { preprocessing, readings, steps } = input;
  const forecaster = await opened(input);
  const buffer = new WindowBuffer(preprocessing);
  for (const reading of readingsOf(readings)) buffer.push(reading);
  if (!buffer.ready)
    throw new SanderlingError(
      'TOO_LITTLE_DATA',
      `the newest readings do not fill ${preprocessing.window} rows of ${preprocessing.stepMs / 1000} s without a gap`,
      {
        fix: 'send more readings and try again',
      },
    );
  const { lastTime } = buffer;
  const { window, stepMs } = preprocessing;
  const points: ForecastPoint[] = [];
  while (points.length < steps) {
    const output = await forecaster.run(Float32Array.from(buffer.window()), 1);
    const next = decodeForecast(output, preprocessing, buffer.lastTime);
    points.push(...next);
    for (const point of next) buffer.push(point);
  }
  return {
    points: points.slice(0, steps),
    basedOn: { firstTime: lastTime - (window - 1) * stepMs, lastTime, rows: window },
  };
}

async function opened(input: ModelInput): Promise<Forecaster> {
  const key = sha256(input.model);
  const known = open.get(key);
  if (known !== undefined) return known;
  const [oldest] = open.keys();
  if (open.size >= keptModels && oldest !== undefined) {
    await open.get(oldest)?.[Symbol.asyncDispose]();
    open.delete(oldest);
  }
  const forecaster = await Forecaster.open(input);
  open.set(key, forecaster);
  return forecaster;
}
