// Operators whose outputs do not move with small changes of their inputs: no gradient passes.
import { flat, type GradientRule } from './rule.ts';

export const steps = {
  Sign: flat,
  Floor: flat,
  Ceil: flat,
  Round: flat,
  Equal: flat,
  Greater: flat,
  GreaterOrEqual: flat,
  Less: flat,
  LessOrEqual: flat,
  Not: flat,
  And: flat,
  Or: flat,
  IsNaN: flat,
  ArgMax: flat,
  ArgMin: flat,
  Shape: flat,
  Size: flat,
  ConstantOfShape: flat,
  Constant: flat,
  OneHot: flat,
  Range: flat,
} as const satisfies Record<string, GradientRule>;
