// For tests: constants of random numbers, and a small network of convolutions whose structure can be varied.
import { createRandom } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Model, type Value } from '@sanderling/onnx';
import { randomFloats } from './random-models.ts';

/** Makes float32 constants of a shape. */
type Weights = (...dims: readonly number[]) => Value;

/** Random weights, −1.5 … 1.5 times a scale; one row of numbers for a seed, whatever the shapes. */
export function weightsFor(
  b: GraphBuilder,
  seed: number,
  scaleOf: (dims: readonly number[]) => number = () => 1,
): Weights {
  const random = createRandom(seed, 'weights');
  return (...dims) => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    return b.constant(
      tensorOf(
        'float32',
        dims,
        randomFloats(random, count).map((value) => value * scaleOf(dims)),
      ),
    );
  };
}

/** What of {@link separableNetwork} can be varied. */
interface Separable {
  /** Of the convolutions. @default 6 */
  readonly channels?: number;
  /** Of the leaky activation. @default 0.1 */
  readonly slope?: number;
  /** Height and width of the picture of two channels. @default 9 */
  readonly size?: number;
}

/** x [1, 2, size, size] → convolution "stem", leaky activation, depthwise "deep", pointwise, sigmoid, mean over places, product → y [1, 3]. */
export function separableNetwork({ channels = 6, slope = 0.1, size = 9 }: Separable = {}): Model {
  const b = new GraphBuilder('separable');
  const w = weightsFor(b, 4, ([, depth = 1]) => 1 / Math.sqrt(depth));
  const x = b.input('x', 'float32', [1, 2, size, size]);
  const around = { pads: [1, 1, 1, 1] };
  const stem = b.op('Conv', [x, w(channels, 2, 3, 3), w(channels)], around, { name: 'stem' });
  const bent = b.op('LeakyRelu', [stem], { alpha: slope });
  const deep = b.op('Conv', [bent, w(channels, 1, 3, 3)], { ...around, group: channels }, { name: 'deep' });
  const point = b.op('Sigmoid', [b.op('Conv', [deep, w(channels, channels, 1, 1)])]);
  const means = b.op('Flatten', [b.op('GlobalAveragePool', [point])]);
  b.output('y', b.op('Gemm', [means, w(3, channels), w(3)], { transB: 1 }));
  return b.model();
}
