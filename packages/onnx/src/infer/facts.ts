// What inference knows about a value, and the arithmetic of dimensions.
import { SanderlingError } from '@sanderling/kit';
import { dataTypes, type DataType } from '../data-types.ts';
import { elementCount, type Dim, type Shape, type Tensor, type ValueInfo, type ValueType } from '../ir.ts';
import { toNumbers } from '../tensor.ts';

/**
 * What is known about a value. `values`: the elements of a small tensor in row-major order, as far as known (that is how shapes computed
 * inside the graph become known); `type`: set for anything but a tensor.
 */
export interface Fact {
  readonly dtype: DataType;
  readonly shape: Shape | undefined;
  readonly values?: readonly Dim[] | undefined;
  readonly type?: ValueType | undefined;
}

/** The largest tensor whose elements are followed. */
export const maxFollowed = 1024;

export const unknownFact: Fact = { dtype: 'undefined', shape: undefined };

/** A tensor fact. */
export function fact(dtype: DataType, shape: Shape | undefined, values?: readonly Dim[]): Fact {
  return values && values.length <= maxFollowed ? { dtype, shape, values } : { dtype, shape };
}

/** The fact of a constant tensor. */
export function factOfTensor(tensor: Tensor): Fact {
  const { dtype, dims } = tensor;
  const follow = dataTypes[dtype].bits > 0 && !dtype.startsWith('complex') && !tensor.external;
  return follow && elementCount(dims) <= maxFollowed
    ? { dtype, shape: dims, values: toNumbers(tensor) }
    : { dtype, shape: dims };
}

/** The fact that a declared value states. */
export function factOfInfo(info: ValueInfo): Fact {
  return { dtype: info.dtype, shape: info.shape, ...(info.type ? { type: info.type } : {}) };
}

/** The fact of a type. */
export function factOfType(type: ValueType): Fact {
  return type.kind === 'tensor'
    ? { dtype: type.dtype, shape: type.shape }
    : { dtype: 'undefined', shape: undefined, type };
}

/** The type of a fact. */
export function typeOfFact(fact: Fact): ValueType {
  return fact.type ?? { kind: 'tensor', dtype: fact.dtype, shape: fact.shape };
}

/** Stops inference at a node whose inputs cannot go together. */
export function mismatch(message: string): never {
  throw new SanderlingError('INVALID_MODEL', message);
}

/** A shape of unknown dimensions. */
export function unknownDims(rank: number): Shape {
  return Array.from({ length: rank }, () => undefined);
}

/** An axis counted from the front. @throws INVALID_MODEL when it is out of range. */
export function axisOf(axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) mismatch(`axis ${axis} is out of range for rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

export function multiply(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  if (b === 1) return a;
  return typeof a === 'number' && typeof b === 'number' ? a * b : symbolicProduct(a, b);
}

/** A product of a number and symbols: `4*n*t`. */
interface Monomial {
  readonly factor: number;
  readonly symbols: readonly string[];
}

function monomialOf(dim: number | string): Monomial {
  if (typeof dim === 'number') return { factor: dim, symbols: [] };
  const parts = dim.split('*').map((part) => part.trim());
  if (!parts.every((part) => /^\w+$/.test(part))) return { factor: 1, symbols: [dim] };
  const numbers = parts.filter((part) => /^\d+$/.test(part));
  return {
    factor: numbers.reduce((product, part) => product * Number(part), 1),
    symbols: parts.filter((part) => !/^\d+$/.test(part)),
  };
}

function dimOfMonomial({ factor, symbols }: Monomial): Dim {
  if (symbols.length === 0) return factor;
  const names = symbols.toSorted();
  return (factor === 1 ? names : [String(factor), ...names]).join('*');
}

/** Products longer than this are not followed. */
const mostSymbols = 8;

function symbolicProduct(a: Dim, b: Dim): Dim {
  if (a === undefined || b === undefined) return undefined;
  const [left, right] = [monomialOf(a), monomialOf(b)];
  const product = { factor: left.factor * right.factor, symbols: [...left.symbols, ...right.symbols] };
  const sound = Number.isSafeInteger(product.factor) && product.factor > 0 && product.symbols.length <= mostSymbols;
  return sound ? dimOfMonomial(product) : undefined;
}

/** whole / part where that is exact, symbols cancelling; undefined where it is not known to be. */
export function exactQuotient(whole: Dim, part: Dim): Dim {
  if (whole === undefined || part === undefined || part === 0) return undefined;
  const [above, below] = [monomialOf(whole), monomialOf(part)];
  const symbols = [...above.symbols];
  for (const symbol of below.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  const factor = above.factor / below.factor;
  return Number.isInteger(factor) ? dimOfMonomial({ factor, symbols }) : undefined;
}

export function plus(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (b === 0) return a;
  return typeof a === 'number' && typeof b === 'number' ? a + b : undefined;
}

export function productOf(dims: Shape): Dim {
  return dims.reduce<Dim>(multiply, 1);
}

export function sumOf(dims: Shape): Dim {
  return dims.reduce<Dim>(plus, 0);
}

/** Whether all dimensions are numbers. */
export function isStatic(shape: Shape | undefined): shape is readonly number[] {
  return shape !== undefined && shape.every((dim) => typeof dim === 'number');
}

/** The dimension that two inputs share under broadcasting. @throws INVALID_MODEL when they cannot. */
export function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return typeof b === 'number' ? mismatch(`dimensions ${a} and ${b} do not go together`) : a;
  return typeof b === 'number' ? b : undefined;
}

/** NumPy broadcasting of several shapes; undefined when a rank is unknown. */
export function broadcast(...shapes: readonly (Shape | undefined)[]): Shape | undefined {
  return shapes.reduce((a, b) => a && b && broadcastPair(a, b), [] as Shape);
}

function broadcastPair(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = i - rank + a.length;
    const right = i - rank + b.length;
    return broadcastDim(left < 0 ? 1 : a[left], right < 0 ? 1 : b[right]);
  });
}

/** The better known of two descriptions of the same dimension. @throws INVALID_MODEL when both are numbers and differ. */
export function mergeDim(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number' && a !== b) mismatch(`a dimension is both ${a} and ${b}`);
  if (typeof a === 'number' || b === undefined) return a;
  return typeof b === 'number' ? b : (a ?? b);
}

/** The better known of two descriptions of the same shape. @throws INVALID_MODEL when the ranks or known dimensions differ. */
export function mergeShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b) return a ?? b;
  if (a.length !== b.length) mismatch(`a shape has both ${a.length} and ${b.length} dimensions`);
  return a.map((dim, i) => mergeDim(dim, b[i]));
}

/** What two alternatives (the branches of an If) have in common. */
export function unite(a: Fact, b: Fact): Fact {
  if (a.type || b.type) return a;
  const shape =
    a.shape && b.shape && a.shape.length === b.shape.length
      ? a.shape.map((dim, i) => (dim === b.shape![i] ? dim : undefined))
      : undefined;
  return { dtype: a.dtype === 'undefined' ? b.dtype : a.dtype, shape };
}

/** A shape for people: `[batch, 24, ?]`. */
export function shapeText(shape: Shape | undefined): string {
  return shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : '?';
}
