// Streaming drift detection: detectors, drift score, the monitor of a forecast's residuals.
export { Adwin, type AdwinOptions } from './adwin.ts';
export { calibrate, type Calibration, type CalibrationOptions } from './calibrate.ts';
export { type Detector, type DetectorState, maxMagnitude, type Plain, ScalarDetector } from './detector.ts';
export {
  createDetector,
  detectorNames,
  detectors,
  isDetectorName,
  restoreDetector,
  type DetectorName,
  type DetectorRow,
} from './detectors.ts';
export { Kswin, type KswinOptions } from './kswin.ts';
export { normalQuantile } from './normal.ts';
export type { OptionRule, OptionRules } from './options.ts';
export { PageHinkley, type PageHinkleyOptions } from './page-hinkley.ts';
export {
  monitorDefaults,
  ResidualMonitor,
  restoreResidualMonitor,
  type ResidualMonitorConfig,
  type ResidualMonitorNumbers,
  type ResidualMonitorState,
  type ResidualVerdict,
} from './residual-monitor.ts';
export { leastResiduals, residualReference, type ResidualReference } from './residual-reference.ts';
export { alertScore, driftRatio, driftScore } from './score.ts';
export {
  calibrateVector,
  type VectorCalibration,
  type VectorCalibrationOptions,
} from './vector/calibrate-vector.ts';
export type { FittedLsdd, FittedMmd, FittedSpll } from './vector/fitted.ts';
export { Lsdd } from './vector/lsdd.ts';
export { Mmd } from './vector/mmd.ts';
export { rowsFrom, type Rows } from './vector/rows.ts';
export { Spll } from './vector/spll.ts';
export type { VectorDetector, VectorDetectorState } from './vector/vector-detector.ts';
export {
  createVectorDetector,
  isVectorDetectorName,
  restoreVectorDetector,
  twoSampleTest,
  vectorDetectorNames,
  vectorDetectors,
  type TwoSampleResult,
  type VectorDetectorName,
  type VectorDetectorRow,
} from './vector/vector-detectors.ts';
export { conceptNames, concepts, type ConceptFamily, type ConceptName } from './streams/concepts.ts';
export { NaiveBayes } from './streams/learner.ts';
export {
  createStream,
  driftKinds,
  type DriftKind,
  type DriftPoint,
  type DriftStream,
  type StreamOptions,
  type StreamSample,
} from './streams/stream.ts';
export {
  chiSquareTest,
  corrected,
  jensenShannonDistance,
  kolmogorovDistance,
  populationStability,
  wassersteinDistance,
} from './report/distances.ts';
export {
  driftReport,
  type Bars,
  type ColumnReport,
  type DriftReport,
  type Method,
  type ReportOptions,
} from './report/drift-report.ts';
export {
  Profile,
  type Cell,
  type Column,
  type ColumnProfile,
  type ColumnState,
  type ColumnType,
  type ProfileOptions,
  type ProfileState,
} from './report/profile.ts';
export {
  quantile,
  QuantileSketch,
  rankError,
  shareBelow,
  type Distribution,
  type QuantileSketchState,
} from './report/quantile-sketch.ts';
export { reportHtml } from './report/report-html.ts';
export {
  addressOf,
  tasksOf,
  type LabConfig,
  type LabDetector,
  type LabStream,
  type LabTask,
} from './lab/config.ts';
export { fileStream, type FileStreamOptions } from './lab/file-stream.ts';
export { checkShape, type Shape } from './lab/check-shape.ts';
export { readLabFile, type LabFile, type LabSearch } from './lab/lab-file.ts';
export { labHtml } from './lab/lab-html.ts';
export {
  labMarkdown,
  labReport,
  type LabReport,
  type NamedSearch,
  type ReportStream,
  type RunLength,
} from './lab/lab-report.ts';
export { labSchema } from './lab/lab-schema.ts';
export { judgeAlarms, type Acceptance, type AlarmMetrics, type JudgedAlarms } from './lab/metrics.ts';
export { runLab, type LabOptions, type LabProgress } from './lab/run-lab.ts';
export type { LabResult } from './lab/run-task.ts';
export {
  kneeOf,
  searchDetector,
  searchGoals,
  searchSpaceOf,
  type DetectorSearch,
  type FrontPoint,
  type LabOptimiser,
  type SearchDimension,
  type SearchPoint,
  type SearchReport,
} from './lab/search-detector.ts';
export { dominates, frontOf, summarise, type LabSummary, type Spread } from './lab/summary.ts';
export { driftEffect, type DriftEffect } from './vector/effect.ts';
