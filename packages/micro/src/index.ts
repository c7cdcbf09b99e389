// ONNX models as small C99 libraries.
export {
  boardNames,
  boardPackages,
  boards,
  buildFirmware,
  buildModelImage,
  buildModelImages,
  firmwareFolder,
  flashLayout,
  hasBoardTools,
  isQuantised,
  linkBudget,
  measure,
  quantiseForDevice,
  requireBoardTools,
  runFirmware,
  targetNames,
  targets,
  type BankUse,
  type Board,
  type BoardLink,
  type BoardName,
  type Budget,
  type BuildOptions,
  type DeviceQuantisation,
  type Emulator,
  type Firmware,
  type FirmwareSources,
  type LayerCost,
  type Measurement,
  type MeasureOptions,
  type ModelImageOptions,
  type RunOptions,
  type SlotName,
  type Target,
  type TargetName,
} from './boards/index.ts';
export { nameFrom } from './c-name.ts';
export { compatibilityPage } from './compatibility.ts';
export { generateDetectorC } from './detectors/generate-detector.ts';
export type {
  DetectorFace,
  DetectorReport,
  GeneratedDetector,
  ScalarRequest,
  VectorRequest,
} from './detectors/requests.ts';
export { buildDevice, type DeviceBoard, type DeviceBuildOptions, type DeviceProgram } from './device/build.ts';
export { hostImage, type HostModel } from './device/host-image.ts';
export { provisionFlash, type DeviceIdentity } from './device/provision.ts';
export { startDevice, type Device, type DeviceOptions } from './device/start.ts';
export type { CInterface, Port } from './emit/interface.ts';
export {
  generateForecasterC,
  type ForecasterFace,
  type ForecasterReport,
  type ForecasterRequest,
  type ForecasterTest,
  type GeneratedForecaster,
} from './forecaster/generate-forecaster.ts';
export { generateC, type Generated } from './generate.ts';
export {
  imageHeaderBytes,
  readImage,
  sealImage,
  type Image,
  type ImageBoard,
  type ImageFields,
  type ImageHeader,
} from './image/image.ts';
export { compileForHost, hasCompiler, strictFlags, type HostOptions, type HostProgram } from './host.ts';
export {
  elementTypes,
  type ElementType,
  type Layer,
  type Program,
  type ProgramOutput,
  type Quantisation,
  type Role,
  type StateBinding,
  type Value,
} from './ir.ts';
export { lower } from './lower.ts';
export { packArena, type Arena, type Block } from './memory/arena.ts';
export { planMemory, type MemoryPlan } from './memory/plan.ts';
export type { Elements, GenerateOptions, SelfTestOptions, SelfTestVector, StateOption } from './options.ts';
export { withSizes } from './sizes.ts';
export { reportText, type LayerReport, type Report } from './report.ts';
