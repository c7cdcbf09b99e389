// Running a forecaster over many windows of an encoded series, and over one.
import { SanderlingError } from '@sanderling/kit';
import { openSession, type Session } from '@sanderling/onnx';
import { decodeForecasts, type EncodedSeries, type ForecastMatrix, type Preprocessing } from '@sanderling/series';

/** A model with how its input is made. */
export interface ModelInput {
  /** ONNX: input `window` [batch, window, features], output `forecast` [batch, horizon]. */
  readonly model: Uint8Array;
  readonly preprocessing: Preprocessing;
}

/** Windows in one call of the runtime. */
const batch = 256;

/** A model opened for its preprocessing. */
export class Forecaster implements AsyncDisposable {
  readonly preprocessing: Preprocessing;
  readonly #session: Session;

  private constructor(session: Session, preprocessing: Preprocessing) {
    this.#session = session;
    this.preprocessing = preprocessing;
  }

  /** @throws INVALID_MODEL, UNSUPPORTED */
  static async open({ model, preprocessing }: ModelInput): Promise<Forecaster> {
    return new Forecaster(await openSession(model, { threads: 1 }), preprocessing);
  }

  /** Forecasts, normalised: `count × horizon` from inputs `count × window × features`. @throws INVALID_DATA when one is not finite */
  async run(inputs: Float32Array, count: number): Promise<Float32Array> {
    const { window, features, horizon } = this.preprocessing;
    const { forecast } = await this.#session.run({
      window: { dtype: 'float32', dims: [count, window, features.length], data: inputs },
    });
    const outputs = forecast?.data as Float32Array | undefined;
    if (outputs?.length !== count * horizon)
      throw new SanderlingError('INVALID_MODEL', `the model gives no forecast of ${horizon} steps`);
    if (!outputs.every(Number.isFinite))
      throw new SanderlingError('INVALID_DATA', 'the model forecasts values that are not finite');
    return outputs;
  }

  /** Forecasts for the windows that start at these rows, in the series' own unit. */
  async runWindows({ series }: EncodedSeries, starts: Int32Array): Promise<ForecastMatrix> {
    const { window, features, horizon } = this.preprocessing;
    const outputs = new Float32Array(starts.length * horizon);
    for (let from = 0; from < starts.length; from += batch) {
      const some = starts.subarray(from, from + batch);
      const inputs = new Float32Array(some.length * window * features.length);
      for (const [i, start] of some.entries())
        inputs.set(windowAt(series, start, this.preprocessing), i * window * features.length);
      outputs.set(await this.run(inputs, some.length), from * horizon);
    }
    return decodeForecasts(outputs, this.preprocessing);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.close();
  }
}

/** The encoded rows of the window that starts at a row. */
export function windowAt(series: Float32Array, start: number, { window, features }: Preprocessing): Float32Array {
  return series.subarray(start * features.length, (start + window) * features.length);
}
