// What a model is judged by: metrics, and comparisons that say how sure one can be.
export {
  bias,
  mae,
  mape,
  mase,
  r2,
  regressionMetrics,
  rmse,
  smape,
  type MaseOptions,
  type RegressionMetrics,
} from './regression.ts';
export { perHorizon, type HorizonMetrics } from './horizon.ts';
export {
  isBetterBy,
  isNotWorse,
  leastRows,
  pairedBootstrap,
  type BootstrapOptions,
  type BootstrapStatistic,
  type Comparison,
} from './paired-bootstrap.ts';
export { dieboldMariano, type DieboldMariano, type DieboldMarianoOptions } from './diebold-mariano.ts';
export type { Series } from './series.ts';
export {
  accuracy,
  classificationMetrics,
  confusionMatrix,
  oneVersusRest,
  type ClassificationMetrics,
  type ClassMetrics,
  type ConfusionMatrix,
  type Label,
} from './classification.ts';
export {
  brierScore,
  expectedCalibrationError,
  logLoss,
  reliability,
  rocAuc,
  rocCurve,
  topConfidence,
  type ReliabilityBin,
  type RocPoint,
} from './probability.ts';
export {
  detCurve,
  equalErrorRate,
  presentationAttackErrors,
  thresholdAtFar,
  verificationErrors,
  type Attempts,
  type DetPoint,
  type PresentationAttackErrors,
} from './biometrics.ts';
export { boxArea, boxIou, type Box } from './boxes.ts';
export {
  cocoMetrics,
  vocMetrics,
  type CocoMetrics,
  type Detection,
  type DetectionImage,
  type Truth,
  type VocOptions,
} from './detection.ts';
export {
  segmentationMetrics,
  type ClassOverlap,
  type Mask,
  type SegmentationMetrics,
  type SegmentationOptions,
} from './segmentation.ts';
