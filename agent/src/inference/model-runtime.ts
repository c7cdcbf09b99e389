// What runs a model: a port of the engine, and its adapter for ONNX Runtime.
import { SanderlingError } from '@sanderling/kit';
import { openSession } from '@sanderling/onnx/session';

/** A model ready to run. */
export interface RunningModel {
  /**
   * One forecast.
   * @param window `window × features` normalised values, row-major.
   * @returns the model's own numbers, `horizon` of them when it keeps its word.
   */
  run(window: Float32Array<ArrayBuffer>): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/** The shape of a model. */
export interface ModelShape {
  /** Names of the model's input and output. */
  readonly input: string;
  readonly output: string;
  readonly window: number;
  readonly features: number;
}

/** Loads models. */
export interface ModelRuntime {
  /** @throws INVALID_MODEL, UNSUPPORTED. */
  open(model: Uint8Array, shape: ModelShape): Promise<RunningModel>;
}

/** ONNX Runtime on one thread. */
export const onnxRuntime: ModelRuntime = {
  async open(model, shape) {
    const { input, output, window, features } = shape;
    const session = await openSession(model, { threads: 1, arena: false });
    const dims = [1, window, features];
    return {
      async run(data) {
        const results = await session.run({ [input]: { dtype: 'float32', dims, data } });
        const result = results[output];
        if (result?.dtype !== 'float32')
          throw new SanderlingError('INVALID_MODEL', `the model has no float output "${output}"`, { where: output });
        return result.data as Float32Array;
      },
      close: () => session.close(),
    };
  },
};
