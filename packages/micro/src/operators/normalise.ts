// Softmax and its kin, and normalisations, along axes that lie next to one another.
import { floatAttribute, intAttribute } from '@sanderling/onnx';
import { indexText, literal, loop, math, nest, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf, type Layer } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { curve } from './curves.ts';
import { lowest } from './pooling.ts';
import { axisOf, broadcastStrides, expectDims, inputOf, productOf, type Desk, type OperatorRule } from './rule.ts';

/** Outer × size × inner around the axis; before opset 13 the axis and all behind it are one. */
function rowsOf(layer: Layer): { outer: number; size: number; step: number } {
  const { dims } = inputOf(layer, 0);
  const old = layer.opset < 13;
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', old ? 1 : -1), Math.max(dims.length, 1));
  const outer = productOf(dims.slice(0, axis));
  if (old) return { outer, size: productOf(dims.slice(axis)), step: 1 };
  return { outer, size: dims[axis] ?? 1, step: stridesOf(dims)[axis] ?? 1 };
}

/** exp(x − max) / Σ, or its logarithm; in place if wanted, since every row is read before it is written. */
const softmax = (log: boolean): OperatorRule => ({
  covers: 'all',
  inputs: ['x'],
  elementwise: true,
  write: (desk) => {
    const { dtype } = inputOf(desk.layer, 0);
    const { outer, size, step } = rowsOf(desk.layer);
    const { c } = elementTypes[dtype];
    const at = indexText(0, [
      ['i', size * step],
      ['k', step],
      ['j', step === 1 ? 0 : 1],
    ]);
    const [x, y] = [`${desk.input(0)}[${at}]`, `${desk.output()}[${at}]`];
    const exp = curve(desk, 'exp', dtype);
    const sums = log
      ? [
          ...loop('k', size, [`sum += ${exp}(${x} - best);`]),
          `const ${c} shift = ${curve(desk, 'log', dtype)}(sum);`,
          ...loop('k', size, [`${y} = (${x} - best) - shift;`]),
        ]
      : [
          ...loop('k', size, [`${y} = ${exp}(${x} - best);`, `sum += ${y};`]),
          `const ${c} scale = ${literal(1, dtype)} / sum;`,
          ...loop('k', size, [`${y} *= scale;`]),
        ];
    const body = [
      `${c} best = ${lowest(dtype)};`,
      ...loop('k', size, [`if (${x} > best) { best = ${x}; }`]),
      `${c} sum = ${literal(0, dtype)};`,
      ...sums,
    ];
    return loop('i', outer, step === 1 ? body : loop('j', step, body));
  },
});

/** 1 at the first greatest element of each row, 0 elsewhere. */
function writeHardmax(desk: Desk): Lines {
  const { dtype } = inputOf(desk.layer, 0);
  const { outer, size, step } = rowsOf(desk.layer);
  const at = (k: string): string => `(i * ${size} + ${k}) * ${step} + j`;
  return loop(
    'i',
    outer,
    loop('j', step, [
      'int32_t best = 0;',
      ...loop('k', size, [`if (${desk.input(0)}[${at('k')}] > ${desk.input(0)}[${at('best')}]) { best = k; }`]),
      ...loop('k', size, [`${desk.output()}[${at('k')}] = (k == best) ? ${literal(1, dtype)} : ${literal(0, dtype)};`]),
    ]),
  );
}

/** (x − μ) / √(σ² + ε) · scale + bias over the axes from `axis` on; RMS leaves μ out. */
function writeLayerNorm(desk: Desk, centred: boolean): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const { dtype, dims } = x;
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', -1), dims.length);
  const [outer, size] = [productOf(dims.slice(0, axis)), productOf(dims.slice(axis))];
  const { c } = elementTypes[dtype];
  const f = (value: number): string => literal(value, dtype);
  const from = `${desk.input(0)}[i * ${size} + k]`;
  const inner = dims.slice(axis);
  const part = (index: number): { name: string; strides: readonly number[] } => ({
    name: desk.input(index),
    strides: broadcastStrides(layer.inputs[index]!.dims, inner),
  });
  const bias = centred && layer.inputs[2] ? [part(2)] : [];
  const walks = [
    { name: desk.output(), strides: stridesOf(inner), offset: `i * ${size}` },
    { name: desk.input(0), strides: stridesOf(inner), offset: `i * ${size}` },
    part(1),
    ...bias,
  ];
  const shifted = centred ? `(${from} - mean)` : from;
  return loop('i', outer, [
    ...(centred ? [`${c} mean = ${f(0)};`, ...loop('k', size, [`mean += ${from};`]), `mean /= ${f(size)};`] : []),
    `${c} variance = ${f(0)};`,
    ...loop('k', size, [`variance += ${shifted} * ${shifted};`]),
    `const ${c} scale = ${f(1)} / ${math('sqrt', dtype)}(variance / ${f(size)} + ${f(floatAttribute(layer.node, 'epsilon', 1e-5))});`,
    ...nest(
      inner,
      walks,
      ([to, one, gain, shift]) => [
        `${to} = ${centred ? `(${one} - mean)` : one} * scale * ${gain}${shift ? ` + ${shift}` : ''};`,
      ],
      1,
    ),
    ...(centred && layer.outputs[1] ? [`${desk.output(1)}[i] = mean;`] : []),
    ...(centred && layer.outputs[2] ? [`${desk.output(2)}[i] = scale;`] : []),
  ]);
}

/** Scale and bias per channel c: x · f[c] + g[c], where the mean and variance are constants or inputs. */
function writeBatchNorm(desk: Desk): Lines {
  const { layer } = desk;
  const { dims, dtype } = inputOf(layer, 0);
  const [samples, channels = 1] = dims as [number, number?];
  const plane = productOf(dims.slice(2));
  const { c } = elementTypes[dtype];
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => `${desk.input(i)}[c]`);
  const at = `(n * ${channels} + c) * ${plane} + p`;
  const epsilon = literal(floatAttribute(layer.node, 'epsilon', 1e-5), dtype);
  return loop(
    'n',
    samples,
    loop('c', channels, [
      `const ${c} factor = ${scale} / ${math('sqrt', dtype)}(${variance} + ${epsilon});`,
      ...loop('p', plane, [`${desk.output()}[${at}] = (${desk.input(0)}[${at}] - ${mean}) * factor + ${bias};`]),
    ]),
  );
}

/** Mean and variance of each group of channels of each sample; an instance is a group of one channel. */
const groupNorm = (groupsOf: (layer: Layer) => number, covers: string): OperatorRule => ({
  covers,
  inputs: ['x', 'gain', 'shift'],
  required: 3,
  check: (layer) => {
    const channels = inputOf(layer, 0).dims[1] ?? 0;
    const groups = inputOf(layer, 0).dims.length < 2 ? 0 : groupsOf(layer);
    if (groups < 1 || channels % groups !== 0) invalid(layer.node, 'its channels do not divide into groups');
    expectDims(layer, 1, [channels]);
    expectDims(layer, 2, [channels]);
    if (layer.operator === 'GroupNormalization' && layer.opset < 21)
      unsupported(layer.node, 'its form before opset 21', 'export the model with opset 21 or newer');
  },
  write: (desk) => {
    const { layer } = desk;
    const { dims, dtype } = inputOf(layer, 0);
    const [samples, channels] = dims as [number, number];
    const [groups, plane] = [groupsOf(layer), productOf(dims.slice(2))];
    const size = (channels / groups) * plane;
    const { c } = elementTypes[dtype];
    const f = (value: number): string => literal(value, dtype);
    const at = `(n * ${groups} + g) * ${size} + k`;
    const from = `${desk.input(0)}[${at}]`;
    return loop(
      'n',
      samples,
      loop('g', groups, [
        `${c} mean = ${f(0)};`,
        ...loop('k', size, [`mean += ${from};`]),
        `mean /= ${f(size)};`,
        `${c} variance = ${f(0)};`,
        ...loop('k', size, [`variance += (${from} - mean) * (${from} - mean);`]),
        `const ${c} scale = ${f(1)} / ${math('sqrt', dtype)}(variance / ${f(size)} + ${f(floatAttribute(layer.node, 'epsilon', 1e-5))});`,
        ...loop('k', size, [
          `const int32_t channel = g * ${channels / groups} + k / ${plane};`,
          `${desk.output()}[${at}] = (${from} - mean) * scale * ${desk.input(1)}[channel] + ${desk.input(2)}[channel];`,
        ]),
      ]),
    );
  },
});

/** Normalisations. */
export const normaliseOperators = {
  BatchNormalization: {
    covers: 'inference; folded into a Conv or Gemm before it where that is possible',
    inputs: ['x', 'scale', 'bias', 'mean', 'variance'],
    required: 5,
    elementwise: true,
    check: (layer) => {
      for (const index of [1, 2, 3, 4]) expectDims(layer, index, [inputOf(layer, 0).dims[1] ?? 1]);
      if (intAttribute(layer.node, 'training_mode', 0) === 1 || layer.outputs.slice(1).some((out) => out))
        unsupported(layer.node, 'training mode', 'export the model for inference');
    },
    write: writeBatchNorm,
  },
  GroupNormalization: groupNorm((layer) => intAttribute(layer.node, 'num_groups', 1), 'opset 21 and newer'),
  Hardmax: { covers: 'all', inputs: ['x'], write: writeHardmax },
  InstanceNormalization: groupNorm((layer) => inputOf(layer, 0).dims[1]!, 'all'),
  LayerNormalization: {
    optionalOutputs: true,
    covers: 'all',
    inputs: ['x', 'gain', 'shift'],
    required: 2,
    write: (desk) => writeLayerNorm(desk, true),
  },
  LogSoftmax: softmax(true),
  RMSNormalization: { covers: 'all', inputs: ['x', 'gain'], required: 2, write: (desk) => writeLayerNorm(desk, false) },
  Softmax: softmax(false),
} as const satisfies Record<string, OperatorRule>;
