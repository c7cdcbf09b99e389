// Gradients of pooling.
import { intAttribute, intsAttribute, tensorOf, type Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';
import { geometryOf, spatial, type Geometry } from './geometry.ts';
import { inputOf, outputOf, single, unsupported, type Call, type GradientRule, type Trained } from './rule.ts';

function poolGeometry(call: Call): Geometry {
  const kernel = intsAttribute(call.node, 'kernel_shape', []);
  const sides = { kernel, large: spatial(inputOf(call, 0)), small: spatial(call.outputs[0] ?? inputOf(call, 0)) };
  return geometryOf(call, sides);
}

/** Whether windows neither overlap nor reach over the edge and cover every input. */
function tiles(call: Call): boolean {
  const { kernel, strides, dilations, padsBefore, padsAfter } = poolGeometry(call);
  const [large, small] = [spatial(inputOf(call, 0)), spatial(outputOf(call))];
  return kernel.every(
    (k, i) =>
      k === strides[i] &&
      dilations[i] === 1 &&
      padsBefore[i] === 0 &&
      padsAfter[i] === 0 &&
      k * (small[i] as number) === large[i],
  );
}

/** In training the pool also gives the position of each maximum. */
function maxPoolTrain(call: Call): Trained {
  if (intAttribute(call.node, 'storage_order', 0) !== 0)
    throw unsupported(call.node, 'column-major indices have no gradient rule');
  const [y, indices] = call.m.scope.ops('MaxPool', [inputOf(call, 0)], call.node.attributes, 2) as [Value, Value];
  return { outputs: [y, indices], saved: { indices } };
}

/** Each maximum's gradient goes to the place it came from, the first one where several are equal. */
function maxPoolPull(call: Call, dy: Value): Value[] {
  const { m, node } = call;
  const dims = dimsOf(inputOf(call, 0));
  const indices = call.saved['indices'] as Value;
  if (tiles(call)) {
    const form = { kernel_shape: intsAttribute(node, 'kernel_shape', []), strides: intsAttribute(node, 'strides', []) };
    return [m.reshape(m.op('MaxUnpool', [dy, indices, m.int64(dims)], form), dims)];
  }
  const [all, picked] = [product(dims), product(dimsOf(dy))];
  const summed = m.op('ScatterElements', [m.zeros([all]), m.reshape(indices, [picked]), m.reshape(dy, [picked])], {
    axis: 0,
    reduction: 'add',
  });
  return [m.reshape(summed, dims)];
}

/** How many inputs each window averages over. */
function windowCounts(call: Call, geometry: Geometry): number[] {
  const { kernel, strides, dilations, padsBefore } = geometry;
  const [large, small] = [spatial(inputOf(call, 0)), spatial(outputOf(call))];
  const whole = intAttribute(call.node, 'count_include_pad', 0) === 1;
  return small.reduce<number[]>(
    (counts, size, i) =>
      counts.flatMap((count) =>
        Array.from({ length: size }, (_, at) => {
          const begin = at * (strides[i] as number) - (padsBefore[i] as number);
          const inside = Array.from({ length: kernel[i] as number }, (__, k) => begin + k * (dilations[i] as number));
          const valid = inside.filter((x) => x >= 0 && x < (large[i] as number)).length;
          return count * (whole ? (kernel[i] as number) : valid);
        }),
      ),
    [1],
  );
}

/** dx: every input gets dy/n from each window that it is in, a transposed depthwise convolution with ones. */
function averagePoolPull(call: Call, dy: Value): Value[] {
  const { m } = call;
  if (intAttribute(call.node, 'ceil_mode', 0) !== 0 && intAttribute(call.node, 'count_include_pad', 0) !== 0)
    throw unsupported(call.node, 'ceil_mode that counts the padding has no gradient rule');
  const geometry = poolGeometry(call);
  const counts = windowCounts(call, geometry);
  const x = inputOf(call, 0);
  const shares = m.mul(
    dy,
    m.scope.constant(
      tensorOf(
        'float32',
        spatial(dy),
        counts.map((count) => 1 / count),
      ),
    ),
  );
  if (tiles(call)) return [repeated(m, shares, geometry.kernel)];
  return [spreadOut(m, shares, { x, geometry })];
}

/** Every entry repeated over a tile. */
export function repeated(m: Algebra, value: Value, tile: readonly number[]): Value {
  const scales = m.scope.constant(tensorOf('float32', [tile.length + 2], [1, 1, ...tile]));
  const form = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  return m.op('Resize', [value, undefined, scales], form);
}

function spreadOut(m: Algebra, shares: Value, { x, geometry }: { x: Value; geometry: Geometry }): Value {
  const { kernel, strides, dilations, padsBefore, padsAfter } = geometry;
  const channels = dimsOf(x)[1] as number;
  const extra = spatial(x).map((size, i) => {
    const reach = (dilations[i] as number) * ((kernel[i] as number) - 1) + 1;
    const reached = ((spatial(shares)[i] as number) - 1) * (strides[i] as number) + reach;
    return size - (reached - (padsBefore[i] as number) - (padsAfter[i] as number));
  });
  // Windows that ceil_mode lets reach over the edge are cut off there.
  const after = padsAfter.map((pad, i) => pad + Math.max(0, -(extra[i] as number)));
  const ones = m.scope.constant(
    tensorOf('float32', [channels, 1, ...kernel], new Float32Array(channels * product(kernel)).fill(1)),
  );
  return m.op('ConvTranspose', [shares, ones], {
    kernel_shape: [...kernel],
    strides: [...strides],
    dilations: [...dilations],
    pads: [...padsBefore, ...after],
    output_padding: extra.map((size) => Math.max(0, size)),
    group: channels,
  });
}

export const pooling = {
  MaxPool: { train: maxPoolTrain, pull: (call, [dy]) => (dy === undefined ? [] : maxPoolPull(call, dy)) },
  AveragePool: single(averagePoolPull),
  // y = mean over space: dx = dy / n everywhere
  GlobalAveragePool: single((call, dy) => {
    const dims = dimsOf(inputOf(call, 0));
    return [call.m.expand(call.m.mul(dy, 1 / product(dims.slice(2))), dims)];
  }),
  // y = maximum over space: in equal parts to all that equal it
  GlobalMaxPool: single((call, dy) => {
    const { m } = call;
    const x = inputOf(call, 0);
    const chosen = m.mask('Equal', x, outputOf(call));
    const axes = spatial(x).map((_, i) => i + 2);
    return [m.mul(chosen, m.div(dy, m.sum(chosen, axes, true)))];
  }),
} as const satisfies Record<string, GradientRule>;
