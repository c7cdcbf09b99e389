// ONNX models: read, write, build, infer, run.
export {
  floatAttribute,
  floatsAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  subgraphsOf,
  tensorAttribute,
} from './attributes.ts';
export { attributesFrom, type AttributeInput } from './attribute-input.ts';
export type { AppendOptions } from './append.ts';
export { assertValid, checkModel, supported } from './check/check.ts';
export { problemCodes, type Problem, type ProblemCode } from './check/problems.ts';
export { GraphBuilder, type BuilderOptions, type OpOptions, type Value } from './builder.ts';
export { byteLength, dataTypes, isFloat, type DataType } from './data-types.ts';
export { shapeText, type Fact } from './infer/facts.ts';
export {
  inferGraph,
  inferModel,
  inferNode,
  isInferable,
  withInferredShapes,
  type Surroundings,
} from './infer/infer.ts';
export { elementCount } from './ir.ts';
export type {
  Attribute,
  AttributeKind,
  AttributeValue,
  ByteString,
  Dim,
  ExternalData,
  Graph,
  Model,
  ModelFunction,
  Node,
  Shape,
  SparseTensor,
  Tensor,
  ValueInfo,
  ValueType,
} from './ir.ts';
export { readModel, writeModel, type ReadOptions, type WriteOptions } from './files.ts';
export { mapTensors } from './map-tensors.ts';
export { defaultOpset, modelOf, type ModelOptions } from './model.ts';
export { capturedBy, producersOf, readsOf, topologicalOrder } from './order.ts';
export { definedNames, renamedGraph, renamedNode, type Names } from './rename.ts';
export { compose, type AnyPass, type Pass } from './passes/pass.ts';
export { foldBatchNorm } from './passes/fold-batch-norm.ts';
export { foldConstants, foldShapes, type FoldOptions } from './passes/fold-constants.ts';
export { inlineFunctions } from './passes/inline.ts';
export { removeNoOps } from './passes/no-ops.ts';
export { pruneDead, sortNodes } from './passes/prune.ts';
export {
  calibrate,
  type CalibrationData,
  type CalibrationOptions,
  type Range,
  type Ranges,
} from './quantise/calibrate.ts';
export type { RangeMethod } from './quantise/histogram.ts';
export {
  planQuantisation,
  type HiddenPlan,
  type Kernels,
  type PlanOptions,
  type QuantisationPlan,
  type WeightPlan,
} from './quantise/plan.ts';
export { activationParameters, quantise, type QuantiseOptions } from './quantise/quantise.ts';
export { quantisationNoise, type LayerNoise } from './quantise/report.ts';
export {
  quantiseWithin,
  type Budget,
  type LayerQuality,
  type QuantisationReport,
  type WithinOptions,
} from './quantise/within.ts';
export { SessionCache, type Lease, type SessionCacheOptions } from './run/session-cache.ts';
export { openSessionProcess, SessionProcess, type ProcessOptions } from './run/session-process.ts';
export {
  openSession,
  Session,
  type Feeds,
  type RunOptions,
  type RunTensor,
  type SessionOptions,
} from './run/session.ts';
export {
  float32Data,
  int64Data,
  onlyNumber,
  stringTensor,
  tensorOf,
  toNumbers,
  typedData,
  zeros,
  type Elements,
  type TensorArray,
} from './tensor.ts';
export { checkFile, diffFiles, inspectFile } from './text/commands.ts';
export { diffModels, diffText, type Change } from './text/diff.ts';
export { inspectionText, inspectModel, type Inspection } from './text/inspect.ts';
export { printGraph, printModel, type PrintOptions } from './text/print.ts';
export { nodeWork } from './text/work.ts';
export { decodeModel, decodeTensor } from './wire/decode.ts';
export { encodeModel, encodeTensor } from './wire/encode.ts';
export type { ReadLimits } from './wire/reader.ts';
