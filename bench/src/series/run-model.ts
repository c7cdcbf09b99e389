// A forecaster over many windows at once.
import { openSession } from '@sanderling/onnx';
import { decodeForecasts, type EncodedSeries, type ForecastMatrix, type Preprocessing } from '@sanderling/series';

/** Which windows of which series. */
export interface ModelRun {
  readonly preprocessing: Preprocessing;
  readonly encoded: EncodedSeries;
  /** First rows of the windows. */
  readonly starts: Int32Array;
}

/** A model's forecasts of the windows, in the series' unit. */
export async function runModel(
  model: Uint8Array,
  { preprocessing, encoded, starts }: ModelRun,
): Promise<ForecastMatrix> {
  const { window } = preprocessing;
  const width = encoded.features;
  const data = new Float32Array(starts.length * window * width);
  for (const [w, start] of starts.entries()) {
    data.set(encoded.series.subarray(start * width, (start + window) * width), w * window * width);
  }
  const session = await openSession(model);
  try {
    const outputs = await session.run({ window: { dtype: 'float32', dims: [starts.length, window, width], data } });
    return decodeForecasts(outputs['forecast']!.data as Float32Array, preprocessing);
  } finally {
    await session.close();
  }
}
