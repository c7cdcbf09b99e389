// The table of all operators that C is generated for.
import { integerRules } from '../quantised/rules.ts';
import { quantisedOperators } from '../quantised/operators.ts';
import { convolutionOperators } from './convolution.ts';
import { elementwiseOperators } from './elementwise.ts';
import { layoutOperators } from './layout.ts';
import { linearOperators } from './linear.ts';
import { normaliseOperators } from './normalise.ts';
import { poolingOperators } from './pooling.ts';
import { recurrentOperators } from './recurrent.ts';
import { reduceOperators } from './reduce.ts';
import { resizeOperators } from './resize.ts';
import type { OperatorRule } from './rule.ts';
import { selectOperators } from './select.ts';

/** Operators by family, as the compatibility page shows them. */
export const families = {
  'Recurrent layers': recurrentOperators,
  Convolutions: convolutionOperators,
  'Matrix products': linearOperators,
  Pools: poolingOperators,
  Normalisations: normaliseOperators,
  'Element-wise': elementwiseOperators,
  Reductions: reduceOperators,
  Selections: selectOperators,
  Layout: layoutOperators,
  Resizing: resizeOperators,
  Quantised: quantisedOperators,
} as const satisfies Record<string, Record<string, OperatorRule>>;

/** All operators of the ONNX domain, by name. */
export const operators: Readonly<Record<string, OperatorRule>> = Object.freeze(
  Object.assign({}, ...Object.values(families)),
);

/** What layers of a program are written with: the operators, and the integer layers that quantised parts of a model become. */
export const layerRules: Readonly<Record<string, OperatorRule>> = Object.freeze({ ...operators, ...integerRules });
