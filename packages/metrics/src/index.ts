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
