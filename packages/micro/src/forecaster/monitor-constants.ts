// The numbers that a ResidualMonitor of packages/drift works with, as constants of C.
import {
  alertScore,
  detectors,
  ResidualMonitor,
  type DetectorName,
  type ResidualMonitorConfig,
} from '@sanderling/drift';
import { count, double, type Constant } from '../detectors/template.ts';

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
  const monitor = new ResidualMonitor(config).numbers();
  const { detector, options, scoreWindow, primedSamples } = monitor;
  const primed: readonly Constant[] = primedSamples > 0 ? [{ macro: 'PRIMED_SAMPLES', c: double(primedSamples) }] : [];
  return {
    detector,
    options,
    scoreWindow,
    constants: [
      { macro: 'SCORE_WINDOW', c: count(scoreWindow), about: 'residuals in the rolling error' },
      { macro: 'REFERENCE_MEAN', c: double(monitor.mean), about: 'size of the residuals of a good model' },
      { macro: 'REFERENCE_STD', c: double(monitor.std) },
      { macro: 'CEILING', c: double(monitor.ceiling), about: 'what one residual counts at most' },
      { macro: 'BLOCK', c: count(monitor.block), about: 'residuals in one sample of the detector' },
      { macro: 'ALERT_LOG', c: double(Math.log(monitor.alertRatio)) },
      { macro: 'ALERT_SCORE', c: double(alertScore) },
      { macro: 'ALERT_AT', c: double(monitor.alertAt), about: 'score from which the alarm sounds' },
      { macro: 'CONFIRM', c: count(monitor.confirm), about: 'residuals in a row before it does' },
      { macro: 'SAMPLE(size)', c: samples[detectors[detector].input], about: 'what the detector gets' },
      ...primed,
    ],
  };
}
