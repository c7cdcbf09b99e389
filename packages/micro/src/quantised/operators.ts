import type { OperatorRule } from '../operators/rule.ts';

export const quantisedOperators = {} as const satisfies Record<string, OperatorRule>;
