// The arithmetic of int8 layers in exact integers, for tests: written from the specification, over plain loops in the order of ONNX, apart from planner and kernels.

/** Codes and what they stand for. */
export interface Codes {
  readonly dims: readonly number[];
  readonly codes: readonly number[];
  readonly scale: number;
  readonly zero: number;
}

export interface Weighted {
  readonly dims: readonly number[];
  readonly codes: readonly number[];
  /** Of each output channel. */
  readonly scales: readonly number[];
  readonly bias: readonly number[];
}

export interface Target {
  readonly scale: number;
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** numerator / 2^shift, rounded, ties away from zero. */
function roundedShift(numerator: bigint, shift: bigint): number {
  const [sign, size] = numerator < 0n ? [-1, -numerator] : [1, numerator];
  return sign * Number((2n * size + (1n << shift)) >> (shift + 1n));
}

/** Doublings of the sums of a layer: as many as bring its largest factor below 1/2. */
function doubled(largest: number): number {
  let up = 0;
  while (largest / 2 ** up >= 0.5) up += 1;
  return up;
}

/** A sum times a real factor, to a code. `largest`: the largest factor of the layer. The factor is the nearest odd multiple of 2^(doublings − 32). */
export function requantised(sum: number, real: number, { zero, low, high }: Target, largest = real): number {
  const up = doubled(largest);
  const odd = BigInt(2 * Math.floor((real / 2 ** up) * 2 ** 31) + 1);
  return Math.min(high, Math.max(low, roundedShift(BigInt(sum) * odd, BigInt(32 - up)) + zero));
}

/** Sizes of a convolution. */
export interface Window {
  readonly group: number;
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Top, left. */
  readonly begins: readonly [number, number];
  readonly output: readonly [number, number];
}

/** Convolution over [n, c, h, w] with weights [m, c / group, kh, kw]; the bias is real. */
export function convolved(x: Codes, w: Weighted, window: Window, to: Target): number[] {
  const [n, channels, high, wide] = x.dims as [number, number, number, number];
  const [maps, inner, kh, kw] = w.dims as [number, number, number, number];
  const out: number[] = [];
  const factors = w.scales.map((scale) => (x.scale * scale) / to.scale);
  // Every group is a layer of its own, but for depthwise convolutions.
  const together = window.group > 1 && maps === channels && inner === 1 ? maps : maps / window.group;
  for (let s = 0; s < n; s += 1)
    for (let m = 0; m < maps; m += 1)
      for (let place = 0; place < window.output[0] * window.output[1]; place += 1) {
        const [row, column] = [Math.floor(place / window.output[1]), place % window.output[1]];
        let sum = Math.round(w.bias[m]! / (x.scale * w.scales[m]!));
        for (let k = 0; k < inner * kh * kw; k += 1) {
          const [c, i, j] = [Math.floor(k / (kh * kw)), Math.floor(k / kw) % kh, k % kw];
          const y = row * window.strides[0] - window.begins[0] + i * window.dilations[0];
          const z = column * window.strides[1] - window.begins[1] + j * window.dilations[1];
          if (y < 0 || y >= high || z < 0 || z >= wide) continue;
          const from = Math.floor(m / (maps / window.group)) * inner + c;
          sum += (x.codes[((s * channels + from) * high + y) * wide + z]! - x.zero) * w.codes[m * inner * kh * kw + k]!;
        }
        const start = Math.floor(m / together) * together;
        out.push(requantised(sum, factors[m]!, to, Math.max(...factors.slice(start, start + together))));
      }
  return out;
}

/** Rows [n, depth] times weights [columns, depth]. */
export function multiplied(x: Codes, w: Weighted, to: Target): number[] {
  const [rows, depth] = x.dims as [number, number];
  const dims = [rows, depth, 1, 1];
  const one = [1, 1] as const;
  const window = { group: 1, strides: one, dilations: one, begins: [0, 0], output: one } as const;
  return convolved({ ...x, dims }, { ...w, dims: [...w.dims, 1, 1] }, window, to);
}

/** Σ sign · value over operands of the same shape: factors of 21 bits under a common power of two. */
export function added(operands: readonly Codes[], signs: readonly number[], to: Target): number[] {
  const ratios = operands.map(({ scale }) => scale / to.scale);
  const shift = 20 - Math.floor(Math.log2(Math.max(...ratios)));
  const factors = ratios.map((ratio, i) => BigInt(Math.round(ratio * 2 ** shift) * signs[i]!));
  return operands[0]!.codes.map((_, at) => {
    const sum = operands.reduce((total, { codes, zero }, i) => total + factors[i]! * BigInt(codes[at]! - zero), 0n);
    return Math.min(to.high, Math.max(to.low, roundedShift(sum, BigInt(shift)) + to.zero));
  });
}

/** The product of two operands of the same shape. */
export function times(a: Codes, b: Codes, to: Target): number[] {
  const real = (a.scale * b.scale) / to.scale;
  return a.codes.map((code, i) => requantised((code - a.zero) * (b.codes[i]! - b.zero), real, to));
}

/** The mean over all places of each channel of [n, c, h, w]. */
export function averaged(x: Codes, to: Target): number[] {
  const [n, channels, ...space] = x.dims as [number, number, ...number[]];
  const places = space.reduce((product, size) => product * size, 1);
  return Array.from({ length: n * channels }, (_, plane) => {
    const sum = x.codes.slice(plane * places, (plane + 1) * places).reduce((total, code) => total + code - x.zero, 0);
    return requantised(sum, x.scale / to.scale / places, to);
  });
}
