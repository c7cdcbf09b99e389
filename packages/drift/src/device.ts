// The part that a device needs: scalar detectors, drift score, residual monitor. Loads a fifth of the files that the whole package has.
export type { Detector, DetectorState } from './detector.ts';
export { createDetector, detectorNames, isDetectorName, restoreDetector, type DetectorName } from './detectors.ts';
export {
  ResidualMonitor,
  restoreResidualMonitor,
  type ResidualMonitorConfig,
  type ResidualMonitorState,
  type ResidualVerdict,
} from './residual-monitor.ts';
export { residualReference, type ResidualReference } from './residual-reference.ts';
export { alertScore, driftRatio, driftScore } from './score.ts';
