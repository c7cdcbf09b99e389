// Time series for forecasting: from readings to what a model sees, and from what it says back to times and values.
export {
  baselineForecasts,
  baselineNames,
  chooseSeason,
  type BaselineName,
  type BaselineTask,
} from './baselines.ts';
export { type CellState } from './cell-ring.ts';
export { decodeForecast, encodeSeries, type EncodedSeries, type ForecastPoint } from './encode.ts';
export { expandFeatures, featureNames, isFeatureName, type FeatureName, type Scaling } from './features.ts';
export {
  ForecastLedger,
  type ForecastLedgerState,
  type LedgerShape,
  type Residual,
} from './forecast-ledger.ts';
export {
  actualsAt,
  decodeForecasts,
  evaluateForecasts,
  type ForecastErrors,
  type ForecastMatrix,
} from './forecasts.ts';
export { fitLinear, type LinearForecaster, type LinearOptions } from './linear.ts';
export { fitPreprocessing, parsePreprocessing, type FitOptions, type Preprocessing } from './preprocessing.ts';
export {
  latticeOf,
  rowTime,
  type Grid,
  type Lattice,
  type Reading,
  type RowRange,
} from './reading.ts';
export {
  qualityReport,
  type Finding,
  type FindingCode,
  type QualityOptions,
  type QualityReport,
  type Severity,
} from './quality.ts';
export {
  readReadings,
  readTable,
  type TableLimits,
  type TableOptions,
  type TableProgress,
  type TableReader,
  type TableSource,
} from './read-table.ts';
export { resample, type ResampleCounts, type ResampledGrid, type ResampleOptions } from './resample.ts';
export { suggestTask, type SuggestedDimension, type SuggestedTask } from './suggest.ts';
export { type LayoutHints } from './table-layout.ts';
export {
  type SkippedLines,
  type SkipReason,
  type TableProblem,
  type TableReport,
} from './table-report.ts';
export { WindowBuffer, type PushStatus, type WindowBufferOptions, type WindowBufferState } from './window-buffer.ts';
export {
  splitRanges,
  windowStarts,
  type SplitOptions,
  type SplitRanges,
  type WindowOptions,
  type WindowShape,
  type WindowStarts,
} from './windows.ts';
