// What a caller may ask of the generator; checked once, here.
import { SanderlingError } from '@sanderling/kit';
import type { Tensor, TensorArray } from '@sanderling/onnx';
import { checkName } from './c-name.ts';

/** Elements of tensors by input or output name, row-major (bool as bytes of 0 and 1). */
export type Elements = Readonly<Record<string, TensorArray>>;

/** One self-test vector: inputs by name and the outputs that they must give. Vectors of a model with state follow one another. */
export interface SelfTestVector {
  readonly inputs: Elements;
  readonly outputs: Elements;
}

/** A self-test that is generated into the code. */
export interface SelfTestOptions {
  readonly vectors: readonly SelfTestVector[];
  /** An output may be off by absolute + relative · |expected|. @default 1e-4 */
  readonly absolute?: number;
  /** @default 1e-3 */
  readonly relative?: number;
}

/** A graph output whose value of one call is a graph input of the next. */
export interface StateOption {
  readonly input: string;
  readonly output: string;
  /** Its value after a reset. @default zeros */
  readonly initial?: Tensor;
}

/** Options of {@link generateC}. */
export interface GenerateOptions {
  /** Prefix of all names in the C code and name of the files: a C identifier, and no header of the C library. @default 'model' */
  readonly name?: string;
  /** Size given to a symbolic or unknown first dimension of inputs. @default 1 */
  readonly batch?: number;
  /** Sizes of other symbolic dimensions, by their name. @default none */
  readonly sizes?: Readonly<Record<string, number>>;
  /** Inputs that get a fixed value and are no longer asked of the caller. @default none */
  readonly bind?: ReadonlyMap<string, Tensor>;
  /** Outputs that feed inputs of the next call. @default none */
  readonly state?: readonly StateOption[];
  /** GRU, LSTM and RNN nodes, by name, that keep their hidden state from call to call; true for all of them. @default none */
  readonly carry?: readonly string[] | true;
  /** A self-test in the code. @default none */
  readonly selfTest?: SelfTestOptions;
  /**
   * Where constants lie. 'const': in the C file. 'blob': in `Generated.blob`, which the code takes at run time, so that a new model of the same structure needs no
   * new code: what is not an array (sizes, zero points, factors of activations) is structure. @default 'const'
   */
  readonly weights?: 'const' | 'blob';
  /** Constants of fewer bytes than this stay in the C file, as part of the structure. @default 0 */
  readonly blobFrom?: number;
  /** A file for each layer, which a build compiles side by side, instead of one for all; helpers that several layers need are in each of their files. @default false */
  readonly split?: boolean;
  /** Largest constants, working memory, and any one tensor, in bytes each. @default 16 MiB */
  readonly maxBytes?: number;
}

/** The largest number of layers that is generated. */
export const maxLayers = 4096;

/** Options with their defaults. */
export type SettledOptions = Required<Omit<GenerateOptions, 'selfTest'>> & Pick<GenerateOptions, 'selfTest'>;

/** Fills in defaults. @throws INVALID_ARGUMENT naming the option. */
export function settled(options: GenerateOptions): SettledOptions {
  const { name = 'model', batch = 1, sizes = {}, maxBytes = 16 * 2 ** 20, weights = 'const', blobFrom = 0 } = options;
  checkName(name);
  for (const [where, size] of Object.entries({ batch, maxBytes, ...sizes }))
    if (!Number.isSafeInteger(size) || size < 1) wrong(where, `${size} is no positive integer`);
  if (weights !== 'const' && weights !== 'blob') wrong('weights', `"${String(weights)}" is neither const nor blob`);
  if (!(blobFrom >= 0)) wrong('blobFrom', `${blobFrom} is no number of bytes`);
  return {
    name,
    batch,
    weights,
    blobFrom,
    sizes,
    maxBytes: Math.min(maxBytes, 2 ** 30),
    bind: options.bind ?? new Map(),
    state: options.state ?? [],
    carry: options.carry ?? [],
    selfTest: options.selfTest,
  } as SettledOptions;
}

function wrong(where: string, message: string): never {
  throw new SanderlingError('INVALID_ARGUMENT', `${where}: ${message}`, { where });
}
