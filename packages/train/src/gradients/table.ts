// The table of gradient rules: every ONNX operator that can be trained through.
import { convolution } from './convolution.ts';
import { einsum } from './einsum.ts';
import { elementwise } from './elementwise.ts';
import { steps } from './flat.ts';
import { matrix } from './matrix.ts';
import { normalisation } from './normalisation.ts';
import { pooling } from './pooling.ts';
import { quantise } from './quantise.ts';
import { dropout } from './random.ts';
import { recurrent } from './recurrent.ts';
import { reduce } from './reduce.ts';
import { resize } from './resize.ts';
import type { GradientRule } from './rule.ts';
import { shape } from './shape.ts';
import { softmax } from './softmax.ts';

export const gradientRules = {
  ...elementwise,
  ...steps,
  ...matrix,
  ...einsum,
  ...shape,
  ...reduce,
  ...softmax,
  ...convolution,
  ...pooling,
  ...normalisation,
  ...resize,
  ...quantise,
  ...recurrent,
  Dropout: dropout,
} as const satisfies Record<string, GradientRule>;

/** An operator that has a gradient rule. */
export type DifferentiableOperator = keyof typeof gradientRules;

/** The rule for an operator of the standard domain; undefined when there is none. */
export function gradientRule(opType: string, domain = ''): GradientRule | undefined {
  if (domain !== '' && domain !== 'ai.onnx') return undefined;
  return Object.hasOwn(gradientRules, opType) ? gradientRules[opType as DifferentiableOperator] : undefined;
}
