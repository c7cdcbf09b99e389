// sanderling onnx: look into model files without a hub.
import type { CommandGroup } from './command.ts';

export const onnxCommands: CommandGroup = () => undefined;
