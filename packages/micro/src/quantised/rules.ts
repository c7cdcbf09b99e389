import type { OperatorRule } from '../operators/rule.ts';

export const integerRules: Readonly<Record<string, OperatorRule>> = {};
