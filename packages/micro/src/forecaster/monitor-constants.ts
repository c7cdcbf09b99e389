// The numbers that a ResidualMonitor works with. What a fresh monitor shows of itself is read from it; the rest follows the rules of packages/drift.
import {
  alertScore,
  detectors,
  ResidualMonitor,
  type DetectorName,
  type ResidualMonitorConfig,
} from '@sanderling/drift';
import { double, count, type Constant } from '../detectors/template.ts';

/** A monitor as constants of C, and the detector in it. */
export interface MonitorConstants {
  readonly constants: readonly Constant[];
  readonly detector: DetectorName;
  readonly options: Readonly<Record<string, number>>;
  readonly scoreWindow: number;
}

/** What the detector gets of a block's mean size. */
const samples = {
  real: '(((size) - FORECASTER_REFERENCE_MEAN) / FORECASTER_REFERENCE_STD)',
  binary: '((((size) - FORECASTER_REFERENCE_MEAN) / FORECASTER_REFERENCE_STD > 1.0) ? 1.0 : 0.0)',
  unit: '(((size) / FORECASTER_CEILING < 1.0) ? (size) / FORECASTER_CEILING : 1.0)',
} as const;

/** @throws INVALID_CONFIG naming the field. */
export function monitorConstants(config: ResidualMonitorConfig): MonitorConstants {
  const monitor = new ResidualMonitor(config);
  const fresh = monitor.state();
  const detector = fresh.detector.detector as DetectorName;
  const scoreWindow = (fresh.memory['sizes'] as readonly number[]).length;
  const mean = (fresh.memory['sizes'] as readonly number[])[0]!;
  // What is not finite counts as the largest size.
  monitor.update(Number.NaN);
  const ceiling = (monitor.state().memory['sizes'] as readonly number[])[0]!;
  const primed: readonly Constant[] =
    detector === 'page-hinkley' ? [{ macro: 'PRIMED_SAMPLES', c: double(fresh.detector.memory['n'] as number) }] : [];
  const { reference } = config;
  return {
    detector,
    options: fresh.detector.options,
    scoreWindow,
    constants: [
      { macro: 'SCORE_WINDOW', c: count(scoreWindow), about: 'residuals in the rolling error' },
      { macro: 'REFERENCE_MEAN', c: double(mean), about: 'size of the residuals of a good model' },
      { macro: 'REFERENCE_STD', c: double(Math.max(reference.std, leastSpread * mean)) },
      { macro: 'CEILING', c: double(ceiling), about: 'what one residual counts at most' },
      {
        macro: 'BLOCK',
        c: count(Math.round(reference.inflation ?? 3)),
        about: 'residuals in one sample of the detector',
      },
      { macro: 'ALERT_LOG', c: double(Math.log(config.alertRatio ?? ratioOf(reference.peak ?? 1))) },
      { macro: 'ALERT_SCORE', c: double(alertScore) },
      { macro: 'ALERT_AT', c: double(config.alertAt ?? alertScore), about: 'score from which the alarm sounds' },
      { macro: 'CONFIRM', c: count(config.confirm ?? 3), about: 'residuals in a row before it does' },
      { macro: 'SAMPLE(size)', c: samples[detectors[detector].input], about: 'what the detector gets' },
      ...primed,
    ],
  };
}

/** As packages/drift has them: the least deviation in means, and how many times worse the rolling error is at a score of 0.7. */
const leastSpread = 0.1;
const ratioOf = (peak: number): number => Math.min(1.7, Math.max(1.5, peak * 1.1));
