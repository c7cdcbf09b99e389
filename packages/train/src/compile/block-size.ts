// Whether this machine's runtime has its own layout for convolutions, how wide its blocks are, and whether it gives the standard operators' numbers.
import { GraphBuilder, modelOf, openSession, type Graph, type RunTensor, type Value } from '@sanderling/onnx';
import { toBlocks } from '../gradients/blocked.ts';
import { Tape } from '../gradients/tape.ts';
import { Algebra } from '../algebra.ts';

let found: Promise<number> | undefined;

/**
 * Channels of a block of the runtime's own layout for convolutions on this machine (16 with AVX-512, 8 with AVX or NEON), or 0 when the runtime
 * has none or its numbers differ from those of the standard operators. Probed once a process, in a tenth of a second.
 */
export function blockSize(): Promise<number> {
  found ??= probe().catch(() => 0);
  return found;
}

/** The same for one graph: 0, without a probe, when it has no convolution of two dimensions. */
export async function blockSizeFor(graph: Graph): Promise<number> {
  const convolves = graph.nodes.some(({ opType, attributes }) => {
    const kernel = attributes['kernel_shape'];
    return opType === 'Conv' && (kernel?.type !== 'ints' || kernel.value.length === 2);
  });
  return convolves ? blockSize() : 0;
}

async function probe(): Promise<number> {
  const block = await width();
  return block > 0 && (await agrees(block)) ? block : 0;
}

/** The place to which the second position of the first channel goes. */
async function width(): Promise<number> {
  const builder = new GraphBuilder('width');
  builder.output('blocks', toBlocks(new Algebra(builder), builder.input('x', 'float32', [1, 64, 1, 2])));
  await using session = await openSession(modelOf(builder.build()));
  const x: RunTensor = { dtype: 'float32', dims: [1, 64, 1, 2], data: Float32Array.from({ length: 128 }, (_, i) => i) };
  const { blocks } = await session.run({ x });
  return blocks?.data instanceof Float32Array ? Math.max(0, blocks.data.indexOf(1)) : 0;
}

/** Whether output and gradients of a small dense and a depthwise convolution are those of the standard operators. */
async function agrees(block: number): Promise<boolean> {
  const [standard, blocked] = [await numbersWith(0, block), await numbersWith(block, block)];
  return standard.every((want, k) => {
    const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    return want.every((x, i) => Math.abs(x - ((blocked[k] as Float32Array)[i] as number)) <= 1e-5 * scale);
  });
}

/** Output and gradients of strided 3×3 convolutions, dense and depthwise, one after the other. */
async function numbersWith(layout: number, block: number): Promise<Float32Array[]> {
  const dims = { x: [block, block, 7, 6], dense: [2 * block, block, 3, 3], depthwise: [2 * block, 1, 3, 3] };
  const network = new GraphBuilder('network');
  const [x, dense, depthwise] = Object.entries(dims).map(([name, of]) => network.input(name, 'float32', of)) as [
    Value,
    Value,
    Value,
  ];
  const form = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  const y = network.op('Conv', [x, dense], form);
  const z = network.op('Conv', [y, depthwise], { ...form, strides: [2, 2], group: 2 * block });
  const m = new Algebra(network);
  network.output('y', z);
  network.output('loss', m.sum(m.square(z)));
  const builder = new GraphBuilder('probe');
  const bind = new Map(Object.entries(dims).map(([name, of]) => [name, builder.input(name, 'float32', of)] as const));
  const tape = new Tape(builder, {
    uniform: () => m.number(0),
    follows: () => false,
    update: () => undefined,
    block: layout,
  });
  tape.watch(bind.values());
  const values = tape.record(network.build(), bind);
  const gradients = tape.gradients(values.get('loss') as Value, [...bind.values()]);
  [values.get('y') as Value, ...gradients].forEach((value, i) => builder.output(`result${i}`, value));
  await using session = await openSession(modelOf(builder.build()));
  const feeds = Object.entries(dims).map(([name, of], k) => [name, wave(of, k)] as const);
  const out = await session.run(Object.fromEntries(feeds));
  return Object.values(out).map(({ data }) => data as Float32Array);
}

/** Numbers without a pattern that a wrong order would keep. */
function wave(dims: readonly number[], k: number): RunTensor {
  const count = dims.reduce((all, dim) => all * dim, 1);
  return {
    dtype: 'float32',
    dims,
    data: Float32Array.from({ length: count }, (_, i) => Math.sin(0.7391 * i + 0.11 * ((i * i) % 97) + k)),
  };
}
