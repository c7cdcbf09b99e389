// The path of a reading through the device: kept first, then predicted from, then told.
import type { Clock } from '@sanderling/kit';
import type { Engine } from './inference/engine.ts';
import type { Prediction } from './inference/predictor.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { ReleaseManager } from './releases/release-manager.ts';
import type { Reporter } from './reporter.ts';
import type { Source, SourceItem } from './sources/source.ts';
import type { Narrator } from './status/lines.ts';

/** What an intake works with. */
export interface IntakeParts {
  readonly source: Source;
  readonly outbox: Outbox;
  readonly engine: Engine;
  readonly manager: () => ReleaseManager | undefined;
  readonly reporter: Reporter;
  readonly narrate: Narrator;
  readonly clock: Clock;
}

/** Rejected lines are told of at once and then at most this often, milliseconds. */
const rejectionsEveryMs = 60_000;
/** After this many readings without a pause, others get their turn. */
const readingsPerTurn = 64;

/** Takes readings until the source ends or the signal aborts. */
export async function takeIn(parts: IntakeParts, signal: AbortSignal): Promise<void> {
  const { source, outbox, narrate } = parts;
  const rejections = new Rejections(parts);
  let readings = 0;
  for await (const item of source.open(signal, outbox.recall('source'))) {
    if (signal.aborted) return;
    if ('rejected' in item) {
      rejections.add(item);
      continue;
    }
    await takeReading(parts, item);
    if (++readings % readingsPerTurn === 0) await new Promise(setImmediate);
  }
  rejections.tell();
  if (!signal.aborted) narrate({ type: 'source', state: 'ended', readings, rejected: rejections.count });
}

async function takeReading(parts: IntakeParts, item: Extract<SourceItem, { reading: unknown }>): Promise<void> {
  const { outbox, engine, manager, reporter, narrate } = parts;
  const { time, value } = item.reading;
  outbox.addReading(time, value);
  if (item.position !== undefined) outbox.remember('source', item.position);
  const prediction = await engine.take(item.reading);
  if (prediction === undefined) {
    narrate({ type: 'reading', time, value, window: 'no-model' });
    return;
  }
  tellPrediction(parts, prediction);
  reporter.count(prediction);
  // Whoever hears of the alarm wants the numbers with it.
  if (prediction.alarm === 'raised') reporter.report();
  await manager()?.judge(prediction);
}

function tellPrediction({ outbox, narrate }: IntakeParts, prediction: Prediction): void {
  const { reading, release, window, forecast, settled, drift, latencyMs, alarm } = prediction;
  const { score, rollingError } = drift;
  if (forecast === undefined) narrate({ type: 'reading', ...reading, window: prediction.failure?.code ?? window });
  else {
    const error = settled.length === 0 ? null : mean(settled.map(({ residual }) => Math.abs(residual)));
    const drifting = { error, rollingError, driftScore: score, latencyMs: latencyMs ?? 0 };
    narrate({ type: 'forecast', ...reading, release, forecast, ...drifting });
  }
  if (alarm === undefined) return;
  const { time } = reading;
  narrate({ type: 'drift', state: alarm === 'raised' ? 'alarm' : 'over', time, release, score, rollingError });
  if (alarm === 'raised')
    outbox.add({ kind: 'event', time, type: 'drift.alarm', data: { score, rollingError, release } });
}

/** Lines that were no readings: counted, told of now and then, never fatal. */
class Rejections {
  readonly #parts: IntakeParts;
  readonly #reasons = new Map<string, number>();
  #example = '';
  #told = Number.NEGATIVE_INFINITY;
  count = 0;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  add({ rejected, example }: Extract<SourceItem, { rejected: unknown }>): void {
    this.count++;
    this.#reasons.set(rejected, (this.#reasons.get(rejected) ?? 0) + 1);
    this.#example = example;
    if (this.#parts.clock.now() - this.#told >= rejectionsEveryMs) this.tell();
  }

  tell(): void {
    if (this.#reasons.size === 0) return;
    const { clock, narrate, outbox, source } = this.#parts;
    const reasons = Object.fromEntries(this.#reasons);
    const count = Object.values(reasons).reduce((sum, n) => sum + n, 0);
    const data = { source: source.name, count, reasons, example: this.#example };
    outbox.add({ kind: 'event', time: Math.round(clock.now()), type: 'readings.rejected', data });
    const message = `${count} line${count === 1 ? '' : 's'} rejected: ${Object.keys(reasons).join('; ')}`;
    narrate({ type: 'error', about: 'source', code: 'INVALID_DATA', message, details: data });
    this.#reasons.clear();
    this.#told = clock.now();
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
