// Which C function stands for a curve.
import { math } from '../emit/c-text.ts';
import type { ElementType } from '../ir.ts';
import type { Desk } from './rule.ts';

/** Curves that generated code has functions of its own for in single precision, emit/curves/curves.ts. */
export type Curve = 'exp' | 'expm1' | 'log' | 'tanh' | 'erf' | 'sigmoid' | 'softplus';

const inLibrary: readonly Curve[] = ['exp', 'expm1', 'log', 'tanh', 'erf'];

/** C name of a curve: our own in single precision, in double that of math.h where there is one. */
export function curve(desk: Desk, name: Curve, dtype: ElementType): string {
  return dtype !== 'float32' && inLibrary.includes(name) ? name : desk.helper(math(name, dtype));
}
