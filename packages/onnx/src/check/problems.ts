// What the checker reports.

/** Codes of problems. Stable: clients may branch on them. */
export const problemCodes = {
  IR_OUT_OF_RANGE: 'the IR version is one that ONNX Runtime 1.30 does not read',
  OPSET_OUT_OF_RANGE: 'the opset is one that ONNX Runtime 1.30 does not run',
  MISSING_OPSET: 'a domain is used whose opset the model does not import',
  NO_OUTPUTS: 'the graph has no outputs',
  MISSING_NAME: 'a value or operator has no name',
  DUPLICATE_NAME: 'a name is defined twice',
  UNDEFINED_INPUT: 'a node reads a value that nothing makes',
  UNDEFINED_OUTPUT: 'a graph output is a value that nothing makes',
  NOT_SORTED: 'a node stands before one that it needs',
  CYCLE: 'nodes need each other in a circle',
  UNKNOWN_OPERATOR: 'the operator does not exist at this opset',
  DEPRECATED_OPERATOR: 'the operator was withdrawn at this opset',
  WRONG_ARITY: 'the number of inputs or outputs does not fit the operator',
  WRONG_ATTRIBUTE: 'an attribute is of another kind than the operator defines',
  MISSING_ATTRIBUTE: 'a required attribute is missing',
  UNKNOWN_ATTRIBUTE: 'the operator has no such attribute',
  WRONG_TYPE: 'an input is of a type that the operator does not take',
  WRONG_SHAPE: 'the shapes or values of inputs do not go together',
  WRONG_DECLARATION: 'a value is declared as something else than its node makes',
  RECURSIVE_FUNCTION: 'a function calls itself',
} as const;

/** The code of a problem; see {@link problemCodes}. */
export type ProblemCode = keyof typeof problemCodes;

/** One thing that is wrong. `path`: the graph it is in, `main/if_3.then_branch`; `node` and `operator` where a node is concerned. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly path: string;
  readonly node?: string;
  readonly operator?: string;
  readonly value?: string;
}
