// The weights' gradient of a depthwise convolution: outer products over rows, then sums along diagonals. Twice as fast as a grouped
// convolution with exchanged roles:  dw[c,i,j] = Σᵤ (dy_cᵀ x_c,i)[u, s u + d j]
import type { Value } from '@sanderling/onnx';
import { dimsOf, type Algebra } from '../algebra.ts';
import { padding, type Convolution } from './geometry.ts';

/** dw [C, 1, …k]. */
export function depthwiseWeights(m: Algebra, convolution: Convolution): Value {
  return convolution.geometry.kernel.length === 2 ? diagonalWeights(m, convolution) : exchangedWeights(m, convolution);
}

function diagonalWeights(m: Algebra, convolution: Convolution): Value {
  const { x, dy, weightDims, geometry } = convolution;
  const [batch, channels, height, width] = dimsOf(dy) as [number, number, number, number];
  const [kernelHeight, kernelWidth] = geometry.kernel as [number, number];
  const [strideY, strideX] = geometry.strides as [number, number];
  const [dilationY, dilationX] = geometry.dilations as [number, number];
  const { before, after } = padding(convolution);
  const padded = m.pad(m.transpose(x, [1, 0, 2, 3]), [0, 0, ...before], [0, 0, ...after]);
  const wide = dimsOf(padded)[3] as number;
  const left = m.reshape(m.transpose(dy, [1, 0, 2, 3]), [channels, batch * height, width]);
  const rows = Array.from({ length: kernelHeight }, (_, i) => {
    const cut = m.slice(padded, 2, [i * dilationY, i * dilationY + (height - 1) * strideY + 1, strideY]);
    const outer = m.matmul(m.transpose(left, [0, 2, 1]), m.reshape(cut, [channels, batch * height, wide]));
    return m.reshape(outer, [channels, 1, width * wide]);
  });
  // one row more by the stride turns the diagonals into columns
  const skewed = m.pad(m.concat(rows, 1), [0, 0, 0], [0, 0, width * strideX]);
  const columns = m.slice(m.reshape(skewed, [channels, kernelHeight, width, wide + strideX]), 3, [
    0,
    (kernelWidth - 1) * dilationX + 1,
    dilationX,
  ]);
  return m.reshape(m.sum(columns, [2]), weightDims);
}

/** A grouped convolution of x with dy as the kernel. */
function exchangedWeights(m: Algebra, convolution: Convolution): Value {
  const { x, dy, weightDims, geometry } = convolution;
  const [batch, channels, ...space] = dimsOf(x) as [number, number, ...number[]];
  const axes = space.map((_, i) => i + 2);
  const { before, after } = padding(convolution);
  const planes = m.reshape(m.transpose(x, [1, 0, ...axes]), [1, channels * batch, ...space]);
  const padded = m.pad(planes, [0, 0, ...before], [0, 0, ...after]);
  const reached = geometry.kernel.map((k, i) => {
    const used =
      ((dimsOf(dy)[2 + i] as number) - 1) * (geometry.strides[i] as number) +
      (k - 1) * (geometry.dilations[i] as number) +
      1;
    return [0, used] as const;
  });
  const gradient = m.op('Conv', [m.slices(padded, axes, reached), m.transpose(dy, [1, 0, ...axes])], {
    kernel_shape: dimsOf(dy).slice(2),
    strides: [...geometry.dilations],
    dilations: [...geometry.strides],
    group: channels,
  });
  return m.reshape(gradient, weightDims);
}
