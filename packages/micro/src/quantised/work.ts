// What integer layers are planned with: everything that the rules need beyond the values, settled when the model is lowered.
import type { PlaneShape } from './plane-rows.ts';

/** Scaling of the sums of a layer with channels; see the C struct of the same name. `parameters`: bias and multiplier of each channel. */
export interface Scaling {
  readonly parameters: readonly number[];
  readonly channels: number;
  readonly up: number;
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** A window over height and width, channels last. `step`: places between inputs that count, more than 1 for transposed convolutions. */
export interface Geometry {
  readonly batch: number;
  readonly channels: number;
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly begins: readonly [number, number];
  readonly step: readonly [number, number];
}

/** Rows of the input that one row of the output reads. */
export const spanOf = ({ kernel, dilations }: Geometry): number => (kernel[0] - 1) * dilations[0] + 1;

/** Channels whose planes are gathered at once. */
export const planesAtOnce = ({ channels }: Geometry): 1 | 4 => (channels < 4 ? 1 : 4);

/** Sums of products over rows of inputs. `weights`: per group [channels / 2][quads][2][4]. */
export interface ProductsWork {
  readonly kind: 'products';
  readonly geometry: Geometry | undefined;
  readonly rows: number;
  readonly depth: number;
  readonly groups: readonly Scaling[];
  readonly weights: readonly Int8Array[];
  readonly zeroIn: number;
  readonly macs: number;
}

/** How a depthwise convolution is done plane by plane: the shape of the code, and the rows of the output that are made at a time. */
interface Planes {
  readonly shape: PlaneShape;
  readonly band: number;
}

/** Depthwise convolution. `weights`: [channels / 4][pairs of taps][4][2] as int16; with `planes` [channels][taps] as int8. */
export interface DepthwiseWork {
  readonly kind: 'depthwise';
  readonly planes: Planes | undefined;
  readonly geometry: Geometry;
  readonly scaling: Scaling;
  readonly weights: Int16Array | Int8Array;
  readonly zeroIn: number;
  readonly macs: number;
}

/** y = rounded((Σ factor_i · x_i + addend) / 2^shift) + zero; `addends`: per element of a constant operand with dims `addendDims`. */
export interface SumWork {
  readonly kind: 'sum';
  readonly factors: readonly number[];
  readonly addends: readonly number[];
  readonly addendDims: readonly number[] | undefined;
  readonly shift: number;
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** y = scaled((x_0 − zeros_0)(x_1 − zeros_1) · 2^up) + zero. */
export interface ProductWork {
  readonly kind: 'product';
  readonly zeros: readonly [number, number];
  readonly multiplier: number;
  readonly up: number;
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** y = table[x as unsigned]. */
interface TableWork {
  readonly kind: 'table';
  readonly table: Int8Array;
}

/** From int16 to int8: y = scaled(x · 2^up) + zero. */
export interface NarrowWork {
  readonly kind: 'narrow';
  readonly multiplier: number;
  readonly up: number;
  readonly zero: number;
}

/** Largest (average: undefined) or mean of a window; for the mean scaling by the number of taps inside: the multiplier for 0, 1, 2 … of them. */
export interface PoolWork {
  readonly kind: 'pool';
  readonly geometry: Geometry;
  readonly average:
    | {
        readonly zeroIn: number;
        readonly zero: number;
        readonly up: number;
        readonly factors: readonly number[];
        readonly padded: boolean;
      }
    | undefined;
}

/** Inputs one after another along an axis; a table where an input has other parameters than the output. */
interface JoinWork {
  readonly kind: 'join';
  readonly axis: number;
  readonly tables: readonly (Int8Array | undefined)[];
}

/** exponentials[d] = exp(−scale · d) · 2^bits; y = round(e · numerator / (sum · 2^down)) + zero. */
export interface SoftmaxWork {
  readonly kind: 'softmax';
  readonly axis: number;
  readonly exponentials: readonly number[];
  readonly numerator: number;
  readonly down: number;
  readonly zero: number;
}

/** From one layout and type to another: real → int8 or int16, or back; `order`: the axis of the input behind each axis of the output. */
interface ConvertWork {
  readonly kind: 'convert';
  readonly order: readonly number[];
  /** Codes of uint8 are those of int8 with the top bit turned. */
  readonly flip: boolean;
}

/** A recurrent layer. `weights`: per direction those of the input and of the state, packed as products; `parameters`: per direction and row multipliers and bias. */
export interface RecurrentWork {
  readonly kind: 'recurrent';
  readonly cell: 'GRU' | 'LSTM';
  readonly steps: number;
  readonly batch: number;
  readonly input: number;
  readonly hidden: number;
  readonly directions: readonly ('forward' | 'backward')[];
  readonly batchFirst: boolean;
  readonly afterReset: boolean;
  readonly inputWeights: readonly Int8Array[];
  readonly hiddenWeights: readonly Int8Array[];
  readonly candidateWeights: readonly Int8Array[];
  readonly parameters: readonly (readonly number[])[];
  readonly up: number;
  readonly macs: number;
}

export type IntegerWork =
  | ProductsWork
  | DepthwiseWork
  | SumWork
  | ProductWork
  | TableWork
  | NarrowWork
  | PoolWork
  | JoinWork
  | SoftmaxWork
  | ConvertWork
  | RecurrentWork;
