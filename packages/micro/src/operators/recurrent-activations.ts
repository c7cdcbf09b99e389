// The activations of recurrent layers' gates.
import { floatsAttribute } from '@sanderling/onnx';
import { cutToOne, literal, math } from '../emit/c-text.ts';
import type { ElementType, Layer } from '../ir.ts';
import { curve } from './curves.ts';
import { sizesOf } from './recurrent-sizes.ts';
import { inputOf, type Desk } from './rule.ts';

const f = (value: number, dtype: ElementType): string => literal(value, dtype);

/** Activations of gates, as C expressions of a variable. */
export const activations: Readonly<
  Record<string, { readonly write: (x: string, pen: Gate) => string; readonly alpha?: number; readonly beta?: number }>
> = {
  affine: { write: (x, { dtype, alpha, beta }) => `${f(alpha, dtype)} * ${x} + ${f(beta, dtype)}`, alpha: 1, beta: 0 },
  elu: {
    write: (x, { desk, dtype, alpha }) =>
      `(${x} < ${f(0, dtype)}) ? ${f(alpha, dtype)} * ${curve(desk, 'expm1', dtype)}(${x}) : ${x}`,
    alpha: 1,
  },
  hardsigmoid: {
    write: (x, { dtype, alpha, beta }) => cutToOne(`${f(alpha, dtype)} * ${x} + ${f(beta, dtype)}`, dtype),
    alpha: 0.2,
    beta: 0.5,
  },
  leakyrelu: {
    write: (x, { dtype, alpha }) => `(${x} < ${f(0, dtype)}) ? ${f(alpha, dtype)} * ${x} : ${x}`,
    alpha: 0.01,
  },
  relu: { write: (x, { dtype }) => `(${x} < ${f(0, dtype)}) ? ${f(0, dtype)} : ${x}` },
  sigmoid: { write: (x, { desk, dtype }) => `${curve(desk, 'sigmoid', dtype)}(${x})` },
  softplus: { write: (x, { desk, dtype }) => `${curve(desk, 'softplus', dtype)}(${x})` },
  softsign: { write: (x, { dtype }) => `${x} / (${f(1, dtype)} + ${math('fabs', dtype)}(${x}))` },
  tanh: { write: (x, { desk, dtype }) => `${curve(desk, 'tanh', dtype)}(${x})` },
  thresholdedrelu: { write: (x, { dtype, alpha }) => `(${x} > ${f(alpha, dtype)}) ? ${x} : ${f(0, dtype)}`, alpha: 1 },
};

interface Gate {
  readonly desk: Desk;
  readonly dtype: ElementType;
  readonly alpha: number;
  readonly beta: number;
}

/** The names of the activations of all directions; alphas and betas are consumed in order by those that take one. */
export function activationNames(layer: Layer, defaults: readonly string[]): readonly string[] {
  const attribute = layer.node.attributes['activations'];
  const given = attribute?.type === 'strings' ? attribute.value.map((name) => String(name).toLowerCase()) : [];
  const { directions } = sizesOf(layer);
  return given.length > 0 ? given : Array.from({ length: directions }, () => defaults).flat();
}

/** One activation function per gate and direction, as a C expression of `x`. */
export function activationsOf(desk: Desk, defaults: readonly string[]): readonly ((x: string) => string)[] {
  const { layer } = desk;
  const [alphas, betas] = [
    floatsAttribute(layer.node, 'activation_alpha') ?? [],
    floatsAttribute(layer.node, 'activation_beta') ?? [],
  ];
  let [nextAlpha, nextBeta] = [0, 0];
  const { dtype } = inputOf(layer, 0);
  return activationNames(layer, defaults).map((name) => {
    const known = activations[name]!;
    const alpha = known.alpha === undefined ? 0 : (alphas[nextAlpha++] ?? known.alpha);
    const beta = known.beta === undefined ? 0 : (betas[nextBeta++] ?? known.beta);
    return (x) => {
      const text = known.write(x, { desk, dtype, alpha, beta });
      return text.includes(' ') ? `(${text})` : text;
    };
  });
}
