// For tests: the parts of the agent's Predictor in its order, with ONNX Runtime as the model. What a generated forecaster is held against.
import { ResidualMonitor, type ResidualMonitorConfig, type ResidualVerdict } from '@sanderling/drift';
import { openSession, type Model } from '@sanderling/onnx';
import {
  decodeForecast,
  ForecastLedger,
  WindowBuffer,
  type Preprocessing,
  type PushStatus,
  type Reading,
} from '@sanderling/series';

/** What one reading led to. `residuals`: one step ahead only. */
export interface Outcome {
  readonly status: PushStatus;
  readonly forecast: readonly number[];
  readonly from: number;
  readonly residuals: readonly number[];
  readonly verdict: ResidualVerdict;
  readonly alarm: 'raised' | 'over' | undefined;
  readonly notFinite: boolean;
}

const unchanged: ReadonlySet<PushStatus> = new Set(['late', 'stale', 'future', 'invalid']);

/** Takes readings one after another. */
export async function referenceOutcomes(
  model: Model,
  preprocessing: Preprocessing,
  monitorConfig: ResidualMonitorConfig | undefined,
  readings: readonly Reading[],
): Promise<readonly Outcome[]> {
  await using session = await openSession(model);
  const { window, features } = preprocessing;
  const [input, output] = [model.graph.inputs[0]!.name, model.graph.outputs[0]!.name];
  const buffer = new WindowBuffer(preprocessing);
  const ledger = new ForecastLedger(preprocessing);
  const monitor = monitorConfig && new ResidualMonitor(monitorConfig);
  let verdict: ResidualVerdict = { score: 0, alarm: false, raised: false, warning: false, rollingError: null };
  const outcomes: Outcome[] = [];
  for (const reading of readings) {
    const status = buffer.push(reading);
    const residuals = ledger.observe(reading).flatMap(({ step, residual }) => (step === 1 ? [residual] : []));
    const wasOn = verdict.alarm;
    let raised = false;
    for (const residual of monitor ? residuals : []) {
      verdict = monitor!.update(residual);
      raised ||= verdict.raised;
    }
    const alarm = raised ? 'raised' : wasOn && !verdict.alarm ? 'over' : undefined;
    const [from, asked] = [buffer.lastTime, buffer.ready && !unchanged.has(status)];
    let points: readonly { readonly time: number; readonly value: number }[] = [];
    if (asked) {
      const data = Float32Array.from(buffer.window());
      const result = await session.run({ [input]: { dtype: 'float32', dims: [1, window, features.length], data } });
      points = decodeForecast(result[output]!.data as Float32Array, preprocessing, from);
    }
    const finite = points.every(({ value }) => Number.isFinite(value));
    if (asked && finite) ledger.add(points);
    const forecast = finite ? points.map(({ value }) => value) : [];
    outcomes.push({ status, forecast, from, residuals, verdict, alarm, notFinite: asked && !finite });
  }
  return outcomes;
}
