// Boards: firmware built for them, run on them, measured on them; what fits a real part; model images.
export { linkBudget, type BankUse, type Budget } from './budget.ts';
export { buildFirmware, type Firmware } from './build.ts';
export { runFirmware, type BoardLink, type Emulator, type RunOptions } from './emulator.ts';
export { measure, type LayerCost, type Measurement, type MeasureOptions } from './measure.ts';
export { buildModelImage, buildModelImages, type ModelImageOptions } from './model-image.ts';
export { isQuantised, quantiseForDevice, type DeviceQuantisation } from './quantise-model.ts';
export { firmwareFolder, type BuildOptions, type FirmwareSources } from './objects.ts';
export {
  boardNames,
  boards,
  flashLayout,
  targetNames,
  targets,
  type Bank,
  type Board,
  type BoardName,
  type SlotName,
  type Target,
  type TargetName,
} from './table.ts';
export { boardPackages, hasBoardTools, requireBoardTools } from './toolchain.ts';
