// The table of integer layers: what quantised parts of a model become.
import type { OperatorRule } from '../operators/rule.ts';
import { elementwiseRules } from './rule-elementwise.ts';
import { poolRule } from './rule-pool.ts';
import { depthwiseRule, productRule } from './rule-products.ts';
import { recurrentRules } from './rule-recurrent.ts';

/** Integer layers by name. No ONNX operator has such a name. */
export const integerRules = {
  Int8Conv: productRule,
  Int8ConvTranspose: productRule,
  Int8Dense: productRule,
  Int8DepthwiseConv: depthwiseRule,
  Int8MaxPool: poolRule,
  Int8AveragePool: poolRule,
  ...elementwiseRules,
  ...recurrentRules,
} as const satisfies Record<string, OperatorRule>;
