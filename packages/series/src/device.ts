// The part of the package that a device needs while it runs: the streaming window, forecasts and their residuals. Nothing that reads files or judges them.
export { type CellState } from './cell-ring.ts';
export { decodeForecast, type ForecastPoint } from './encode.ts';
export { type FeatureName, type Scaling } from './features.ts';
export { ForecastLedger, type ForecastLedgerState, type LedgerShape, type Residual } from './forecast-ledger.ts';
export { parsePreprocessing, type Preprocessing } from './preprocessing.ts';
export { latticeOf, rowTime, type Grid, type Lattice, type Reading, type RowRange } from './reading.ts';
export { WindowBuffer, type PushStatus, type WindowBufferOptions, type WindowBufferState } from './window-buffer.ts';
