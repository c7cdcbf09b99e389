// Wire codes of the kinds of attribute.
import type { AttributeKind } from '../ir.ts';

/** Attribute kind → code in the wire's `type` field. */
export const attributeKinds = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparse: 11,
  sparses: 12,
  typeOf: 13,
  typesOf: 14,
} as const satisfies Record<AttributeKind, number>;
