// The arenas of networks of the shapes of MLPerf Tiny against closed forms of what must be alive at once.
import { GraphBuilder, tensorOf, type Value } from '@sanderling/onnx';
import { expect, test } from 'vitest';
import { lower, planMemory } from '../index.ts';
import { cheapestOrder } from './order.ts';

class Net {
  readonly b = new GraphBuilder('net');

  constant(...dims: number[]): Value {
    return this.b.constant(tensorOf('float32', dims, new Float32Array(dims.reduce((x, y) => x * y, 1)).fill(0.5)));
  }

  conv(x: Value, filters: number, kernel: number[], attributes: Record<string, number | number[]> = {}): Value {
    const channels = (x.shape as number[])[1]! / Number(attributes['group'] ?? 1);
    return this.b.op('Conv', [x, this.constant(filters, channels, ...kernel), this.constant(filters)], attributes);
  }

  dense(x: Value, outputs: number): Value {
    return this.b.op('Gemm', [x, this.constant((x.shape as number[])[1]!, outputs), this.constant(outputs)]);
  }

  relu(x: Value): Value {
    return this.b.op('Relu', [x]);
  }

  classes(x: Value, count: number): Value {
    return this.b.op('Softmax', [this.dense(this.b.op('Flatten', [this.b.op('GlobalAveragePool', [x])]), count)]);
  }
}

const around = [1, 1, 1, 1];

function keywords(n: Net): void {
  const x = n.b.input('x', 'float32', [1, 1, 49, 10]);
  let y = n.relu(n.conv(x, 64, [10, 4], { strides: [2, 2], pads: [4, 1, 5, 1] }));
  for (let block = 0; block < 4; block += 1)
    y = n.relu(n.conv(n.relu(n.conv(y, 64, [3, 3], { pads: around, group: 64 })), 64, [1, 1]));
  n.b.output('y', n.classes(y, 12));
}

function resnet(n: Net): void {
  let y = n.relu(n.conv(n.b.input('x', 'float32', [1, 3, 32, 32]), 16, [3, 3], { pads: around }));
  for (const [channels, stride] of [
    [16, 1],
    [32, 2],
    [64, 2],
  ] as const) {
    const strides = [stride, stride];
    const first = n.relu(n.conv(y, channels, [3, 3], { pads: stride === 2 ? [0, 0, 1, 1] : around, strides }));
    const second = n.conv(first, channels, [3, 3], { pads: around });
    y = n.relu(n.b.op('Add', [second, stride === 1 ? y : n.conv(y, channels, [1, 1], { strides })]));
  }
  n.b.output('y', n.classes(y, 10));
}

function autoencoder(n: Net): void {
  let y: Value = n.b.input('x', 'float32', [1, 640]);
  for (const width of [128, 128, 128, 128, 8, 128, 128, 128, 128]) y = n.relu(n.dense(y, width));
  n.b.output('y', n.dense(y, 640));
}

test.each([
  ['keyword spotting: two maps of 25 × 5 × 64', keywords, 2 * 25 * 5 * 64 * 4],
  ['8-layer ResNet: the shortcut and two maps of 32 × 32 × 16', resnet, 3 * 32 * 32 * 16 * 4],
  ['autoencoder: two layers of 128', autoencoder, 2 * 128 * 4],
])('%s', async (_, build, least) => {
  const net = new Net();
  build(net);
  const { arenaBytes, boundBytes } = planMemory(cheapestOrder(await lower(net.b.model())));
  expect(boundBytes).toBe(least);
  expect(arenaBytes).toBe(least);
});
