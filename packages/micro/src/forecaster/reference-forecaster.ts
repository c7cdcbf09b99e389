// For tests: the parts of the agent's Predictor in its order. What a generated forecaster is held against.
import { ResidualMonitor, type ResidualMonitorConfig, type ResidualVerdict } from '@sanderling/drift';
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

/** A model's answers to windows. */
export type ModelRun = (windows: readonly Float32Array[]) => Promise<readonly Float32Array[]>;

/** A model in its place: `monitor` is left out to learn the residuals that it needs. */
export interface Reference {
  readonly run: ModelRun;
  readonly preprocessing: Preprocessing;
  readonly monitor?: ResidualMonitorConfig;
}

const unchanged: ReadonlySet<PushStatus> = new Set(['late', 'stale', 'future', 'invalid']);

/** Takes readings one after another. The model is asked about all windows at once: what it says does not change them. */
export async function referenceOutcomes(
  reference: Reference,
  readings: readonly Reading[],
): Promise<readonly Outcome[]> {
  const { run, preprocessing, monitor: config } = reference;
  const buffer = new WindowBuffer(preprocessing);
  const windows: Float32Array[] = [];
  const pushed = readings.map((reading) => {
    const status = buffer.push(reading);
    const asked = buffer.ready && !unchanged.has(status);
    if (asked) windows.push(Float32Array.from(buffer.window()));
    return { reading, status, from: buffer.lastTime, asked };
  });
  const outputs = (await run(windows)).values();
  const ledger = new ForecastLedger(preprocessing);
  const monitor = config && new ResidualMonitor(config);
  let verdict: ResidualVerdict = { score: 0, alarm: false, raised: false, warning: false, rollingError: null };
  return pushed.map(({ reading, status, from, asked }): Outcome => {
    const residuals = ledger.observe(reading).flatMap(({ step, residual }) => (step === 1 ? [residual] : []));
    const wasOn = verdict.alarm;
    let raised = false;
    for (const residual of monitor ? residuals : []) {
      verdict = monitor!.update(residual);
      raised ||= verdict.raised;
    }
    const alarm = raised ? 'raised' : wasOn && !verdict.alarm ? 'over' : undefined;
    const points = asked ? decodeForecast(outputs.next().value!, preprocessing, from) : [];
    const finite = points.every(({ value }) => Number.isFinite(value));
    if (finite) ledger.add(points);
    const forecast = finite ? points.map(({ value }) => value) : [];
    return { status, forecast, from, residuals, verdict, alarm, notFinite: !finite };
  });
}
