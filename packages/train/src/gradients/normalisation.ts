// Gradients of normalisation layers. All are x̂ = (x − μ)/σ over some axes, then y = γ x̂ + β:
//   dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)) / σ,  dγ = Σ dy x̂,  dβ = Σ dy
import { floatAttribute, intAttribute, type Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';
import {
  inputOf,
  outputOf,
  unsupported,
  type Call,
  type GradientRule,
  type Gradients,
  type Trained,
  type Training,
} from './rule.ts';

/** Per-channel values shaped to broadcast over [N, C, …]. */
function perChannel(m: Algebra, value: Value, rank: number): Value {
  return m.reshape(
    value,
    [1, -1, ...Array.from({ length: rank - 2 }, () => 1)].map((dim) => (dim === -1 ? product(dimsOf(value)) : dim)),
  );
}

/** All axes but the channels'. */
const overChannels = (value: Value): number[] => dimsOf(value).flatMap((_, axis) => (axis === 1 ? [] : [axis]));

/**
 * BatchNormalization in training: batch statistics, and the running ones followed (PyTorch: the running variance takes the unbiased estimate).
 * With momentum 0 the runtime's operator returns the batch statistics. It overwrites its inputs 3 and 4 in place, so they get temporaries.
 */
function batchNormTrain(call: Call, training: Training): Trained {
  const { m, node } = call;
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => inputOf(call, i)) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  if (!training.follows(mean))
    return {
      outputs: [
        m.op('BatchNormalization', [x, scale, bias, mean, variance], {
          epsilon: floatAttribute(node, 'epsilon', 1e-5),
        }),
      ],
    };
  const temporary = (of: Value) => m.mul(of, 0); // of different values, lest the runtime makes one of both
  const attributes = {
    training_mode: 1,
    momentum: { type: 'float', value: 0 },
    epsilon: floatAttribute(node, 'epsilon', 1e-5),
  } as const;
  const made = m.scope.ops('BatchNormalization', [x, scale, bias, temporary(scale), temporary(bias)], attributes, 3);
  const [y, batchMean, batchVariance] = made as [Value, Value, Value];
  const keep = floatAttribute(node, 'momentum', 0.9);
  const count = product(dimsOf(x)) / (dimsOf(x)[1] as number);
  const unbiased = m.mul(batchVariance, count / Math.max(1, count - 1));
  const followed = (old: Value, now: Value) => m.add(m.mul(old, keep), m.mul(now, 1 - keep));
  training.update(mean, followed(mean, batchMean));
  training.update(variance, followed(variance, unbiased));
  return { outputs: [y], saved: { mean: batchMean, variance: batchVariance } };
}

/** With batch statistics, as A dy + (B x + C) a channel: the affine part is one pass of an inference BatchNormalization. */
function batchNormPull(call: Call, dy: Value): Gradients {
  const { m, node } = call;
  const [x, scale] = [inputOf(call, 0), inputOf(call, 1)];
  const trained = call.saved['mean'] !== undefined;
  const mean = call.saved['mean'] ?? inputOf(call, 3);
  const variance = call.saved['variance'] ?? inputOf(call, 4);
  const inverse = m.op('Reciprocal', [m.sqrt(m.add(variance, floatAttribute(node, 'epsilon', 1e-5)))]);
  const axes = overChannels(x);
  const sum = m.sum(dy, axes);
  const dScale = m.mul(inverse, m.sub(m.sum(m.mul(dy, x), axes), m.mul(mean, sum)));
  const factor = m.mul(scale, inverse);
  const rank = dimsOf(x).length;
  const direct = () => m.mul(dy, perChannel(m, factor, rank));
  const dx = () => {
    if (!trained) return direct();
    const share = -1 / (product(dimsOf(x)) / (dimsOf(x)[1] as number));
    const b = m.mul(m.mul(factor, inverse), m.mul(dScale, share));
    const c = m.sub(m.mul(m.mul(factor, sum), share), m.mul(b, mean));
    const [zero, one] = [m.mul(b, 0), m.add(m.mul(b, 0), 1)];
    const affine = m.op('BatchNormalization', [x, b, c, zero, one], { epsilon: { type: 'float', value: 0 } });
    return m.add(direct(), affine);
  };
  return [call.wants(0) ? dx() : undefined, dScale, sum];
}

/** dx of x̂ over axes, given dx̂. */
function normalisedPull(
  m: Algebra,
  at: { normal: Value; inverse: Value; gradient: Value; axes: readonly number[] },
): Value {
  const { normal, inverse, gradient, axes } = at;
  const mean = m.mean(gradient, axes, true);
  const along = m.mul(normal, m.mean(m.mul(gradient, normal), axes, true));
  return m.mul(m.sub(m.sub(gradient, mean), along), inverse);
}

function layerNormTrain(call: Call): Trained {
  const made = call.m.scope.ops('LayerNormalization', call.inputs, call.node.attributes, 3) as [Value, Value, Value];
  return { outputs: made, saved: { mean: made[1], inverse: made[2] } };
}

function layerNormPull(call: Call, dy: Value): Gradients {
  const { m } = call;
  const [x, scale, bias] = [inputOf(call, 0), inputOf(call, 1), call.inputs[2]];
  const rank = dimsOf(x).length;
  const first = (intAttribute(call.node, 'axis', -1) + rank) % rank;
  const axes = Array.from({ length: rank - first }, (_, i) => first + i);
  const { mean, inverse } = call.saved as { mean: Value; inverse: Value };
  const normal = m.mul(m.sub(x, mean), inverse);
  return [
    call.wants(0) ? normalisedPull(m, { normal, inverse, gradient: m.mul(dy, scale), axes }) : undefined,
    call.wants(1) ? m.unbroadcast(m.mul(dy, normal), scale) : undefined,
    bias !== undefined && call.wants(2) ? m.unbroadcast(dy, bias) : undefined,
  ];
}

/** Instance and group normalisation: x seen as [N, groups, numbers], normalised over the last axis, then scaled a channel. */
function groupTrain(call: Call, groups: number): Trained {
  const { m, node } = call;
  const [x, scale, bias] = [inputOf(call, 0), inputOf(call, 1), inputOf(call, 2)];
  const dims = dimsOf(x);
  if (dimsOf(scale)[0] !== dims[1]) throw unsupported(node, 'a scale a group (opset 18) has no gradient rule');
  const rows = m.reshape(x, [dims[0] as number, groups, product(dims) / ((dims[0] as number) * groups)]);
  const centred = m.sub(rows, m.mean(rows, [2], true));
  const inverse = m.op('Reciprocal', [
    m.sqrt(m.add(m.mean(m.square(centred), [2], true), floatAttribute(node, 'epsilon', 1e-5))),
  ]);
  const normal = m.mul(centred, inverse);
  const y = m.add(m.mul(m.reshape(normal, dims), perChannel(m, scale, dims.length)), perChannel(m, bias, dims.length));
  return { outputs: [y], saved: { normal, inverse } };
}

function groupPull(call: Call, dy: Value): Gradients {
  const { m } = call;
  const [x, scale] = [inputOf(call, 0), inputOf(call, 1)];
  const dims = dimsOf(x);
  const { normal, inverse } = call.saved as { normal: Value; inverse: Value };
  const gradient = m.reshape(m.mul(dy, perChannel(m, scale, dims.length)), dimsOf(normal));
  const axes = overChannels(x);
  return [
    call.wants(0) ? m.reshape(normalisedPull(m, { normal, inverse, gradient, axes: [2] }), dims) : undefined,
    call.wants(1) ? m.sum(m.mul(dy, m.reshape(normal, dims)), axes) : undefined,
    call.wants(2) ? m.sum(dy, axes) : undefined,
  ];
}

const first =
  (pull: (call: Call, dy: Value) => Gradients): GradientRule['pull'] =>
  (call, [dy]) =>
    dy === undefined ? [] : pull(call, dy);

export const normalisation = {
  BatchNormalization: { train: batchNormTrain, pull: first(batchNormPull) },
  LayerNormalization: { train: layerNormTrain, pull: first(layerNormPull) },
  InstanceNormalization: {
    train: (call) => groupTrain(call, dimsOf(inputOf(call, 0))[1] as number),
    pull: first(groupPull),
  },
  GroupNormalization: {
    train: (call) => groupTrain(call, intAttribute(call.node, 'num_groups', 1)),
    pull: first(groupPull),
  },
  // y = x / ‖x‖: dx = (dy − y Σ dy y) / ‖x‖
  LpNormalization: {
    pull: first((call, dy) => {
      if (intAttribute(call.node, 'p', 2) !== 2) throw unsupported(call.node, 'only p = 2 has a gradient rule');
      const { m } = call;
      const [x, y, axis] = [inputOf(call, 0), outputOf(call), intAttribute(call.node, 'axis', -1)];
      const norm = m.op('ReduceL2', [x, m.int64([axis])], { keepdims: 1 });
      return [m.div(m.sub(dy, m.mul(y, m.sum(m.mul(dy, y), [axis], true))), norm)];
    }),
  },
} as const satisfies Record<string, GradientRule>;
