// Training compiled into one ONNX graph: gradients, losses, optimisers, fit, ready networks.
export { Algebra, dimsOf, type Operand } from './algebra.ts';
export {
  command,
  type CommandOptions,
  type CommandResult,
  type CommandRun,
  type CommandTrainer,
  type Numbers,
} from './command/command.ts';
export { compileEvaluation, type Evaluation } from './compile/evaluation.ts';
export {
  rowReader,
  seriesReader,
  targetName,
  type BatchReader,
  type Column,
  type DataInput,
  type SeriesWindows,
} from './compile/reader.ts';
export type { StateEntry, TrainingPlan } from './compile/plan.ts';
export { compileTrainingStep, type TrainingStep } from './compile/training-step.ts';
export { floats, labels, rowReaderOf } from './dataset.ts';
export {
  anchorBoxes,
  decodeBox,
  encodeBox,
  matchAnchors,
  overlap,
  type AnchorLevel,
  type Box,
  type LabelledBox,
} from './detection/boxes.ts';
export { detectionsIn, withoutRepeats, type Detection, type DetectionOptions } from './detection/detections.ts';
export { exportModel, inferenceModel, type ExportOptions, type ModelMetadata } from './export.ts';
export { decodeCheckpoint, encodeCheckpoint, fingerprintOf, type Checkpoint } from './fit/checkpoint.ts';
export { kFold, type Fold, type FoldOptions } from './fit/folds.ts';
export type { ExecutionProvider } from './fit/providers.ts';
export type { Shard, Shards } from './fit/shards.ts';
export { shareAt, type Pruning } from './fit/pruning.ts';
export { fit, type EpochEvent, type FitOptions, type FitResult, type StopReason } from './fit/fit.ts';
export { TrainingRuntime, type Dataset, type RuntimeOptions, type TrainingState } from './fit/runtime.ts';
export type { Call, GradientRule, Gradients, Trained, Training } from './gradients/rule.ts';
export { gradientRule, gradientRules, type DifferentiableOperator } from './gradients/table.ts';
export { Tape } from './gradients/tape.ts';
export {
  binaryCrossEntropy,
  crossEntropy,
  distillation,
  focal,
  oneHot,
  type BinaryOptions,
  type CrossEntropyOptions,
  type DistillationOptions,
} from './losses/classification.ts';
export { detectionLoss, type DetectionLossOptions } from './losses/detection.ts';
export type { Loss, LossTerms } from './losses/loss.ts';
export { angularMargin, tripletLoss, type MarginOptions } from './losses/margin.ts';
export { dice, distanceIou, generalisedIou, jaccard } from './losses/overlap.ts';
export { huber, logCosh, meanAbsoluteError, meanSquaredError, quantile, smoothL1 } from './losses/regression.ts';
export { parameterCount, withInitializers, type Network } from './network.ts';
export type { AttentionOptions } from './layers/attention.ts';
export {
  Layers,
  type ConvolutionOptions,
  type PoolOptions,
  type RecurrentOptions,
  type TransposedConvolutionOptions,
} from './layers/layers.ts';
export type { PerAxis } from './layers/sizes.ts';
export {
  convolutionalAutoencoder,
  denseAutoencoder,
  type ConvolutionalAutoencoderOptions,
  type DenseAutoencoderOptions,
} from './networks/autoencoders.ts';
export { depthwiseClassifier, type DepthwiseBlock, type DepthwiseOptions } from './networks/depthwise.ts';
export { detectorLevels, detectorNetwork, type DetectorOptions } from './networks/detector.ts';
export { pictureClassifier, pictureEmbedding, type EmbeddingOptions, type PictureOptions } from './networks/picture.ts';
export { maskNetwork, type MaskOptions } from './networks/mask.ts';
export {
  forecasterCells,
  forecasterNetwork,
  type ForecasterCell,
  type ForecasterOptions,
} from './networks/forecaster.ts';
export {
  adagrad,
  adam,
  adamW,
  rmsProp,
  sgd,
  type AdagradOptions,
  type AdamOptions,
  type Optimiser,
  type RmsPropOptions,
  type SgdOptions,
  type Update,
} from './optimisers/optimisers.ts';
export {
  cosine,
  oneCycle,
  plateau,
  stepDecay,
  warmUp,
  type OneCycleOptions,
  type PlateauOptions,
  type Schedule,
} from './optimisers/schedules.ts';
export { calibrate, quantisationAware, type Range } from './tuning/quantisation.ts';
export { frozen, headInput, networkFromModel, type ImportOptions } from './tuning/import.ts';
export { modernGraph } from './tuning/modern.ts';
export {
  trainForecaster,
  type ForecasterLoss,
  type SampleData,
  type Samples,
  type SeriesData,
  type TrainedForecaster,
  type TrainForecasterOptions,
} from './train-forecaster.ts';
