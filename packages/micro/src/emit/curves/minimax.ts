// Polynomials of least largest error: least squares on a grid whose weights grow where the error is large, until it is level everywhere (C. L. Lawson, 1961).
// Coefficients become single-precision numbers one after another, the lowest power first: those that follow are fitted again and make up for its rounding.

/** What is approximated: value(x) ≈ Σ coefficient · x^power on low … high; an error counts `weight(x)` times. */
export interface Fit {
  readonly low: number;
  readonly high: number;
  readonly value: (x: number) => number;
  readonly weight: (x: number) => number;
  /** Powers of x, ascending. */
  readonly powers: readonly number[];
}

/** Coefficients, in the order of the powers, and the largest weighted error. */
export interface Fitted {
  readonly coefficients: readonly number[];
  readonly error: number;
}

const gridSize = 400;
const rounds = 100;

/** Chebyshev places: dense at both ends, where errors are largest. */
const gridOf = ({ low, high }: Fit): readonly number[] =>
  Array.from(
    { length: gridSize },
    (_, i) => (low + high) / 2 - ((high - low) / 2) * Math.cos((Math.PI * (i + 0.5)) / gridSize),
  );

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** min ‖A c − y‖ for columns A, by Gram and Schmidt, each column made orthogonal twice. */
function leastSquares(columns: readonly Float64Array[], y: Float64Array): readonly number[] {
  const [q, r]: [Float64Array[], number[][]] = [[], []];
  const remove = (from: Float64Array, along: Float64Array): number => {
    const part = dot(from, along);
    for (let i = 0; i < from.length; i += 1) from[i]! -= part * along[i]!;
    return part;
  };
  for (const column of columns) {
    const rest = Float64Array.from(column);
    const parts = q.map((one) => remove(rest, one));
    for (const [i, one] of q.entries()) parts[i]! += remove(rest, one);
    const length = Math.sqrt(dot(rest, rest));
    q.push(rest.map((x) => x / length));
    r.push([...parts, length]);
  }
  const left = Float64Array.from(y);
  const sides = q.map((one) => remove(left, one));
  const solution = sides.map(() => 0);
  for (let k = columns.length - 1; k >= 0; k -= 1) {
    const known = r.slice(k + 1).reduce((sum, parts, i) => sum + parts[k]! * solution[k + 1 + i]!, 0);
    solution[k] = (sides[k]! - known) / r[k]![k]!;
  }
  return solution;
}

/** Coefficients of least largest error for what `known` leaves of the value. */
function level(fit: Fit, powers: readonly number[], known: (x: number) => number): readonly number[] {
  const grid = gridOf(fit);
  const scale = Math.max(Math.abs(fit.low), Math.abs(fit.high));
  const weights = grid.map(fit.weight);
  const wanted = Float64Array.from(grid, (x, i) => weights[i]! * (fit.value(x) - known(x)));
  const columns = powers.map((power) => Float64Array.from(grid, (x, i) => weights[i]! * (x / scale) ** power));
  let attention = new Float64Array(gridSize).fill(1 / gridSize);
  let best: { error: number; solution: readonly number[] } = { error: Infinity, solution: [] };
  for (let round = 0; round < rounds; round += 1) {
    const root = attention.map(Math.sqrt);
    const solution = leastSquares(
      columns.map((column) => column.map((x, i) => x * root[i]!)),
      wanted.map((x, i) => x * root[i]!),
    );
    const errors = wanted.map((x, i) => Math.abs(x - columns.reduce((sum, c, k) => sum + c[i]! * solution[k]!, 0)));
    const error = errors.reduce((most, x) => Math.max(most, x), 0);
    if (error < best.error) best = { error, solution };
    const next = attention.map((x, i) => x * errors[i]!);
    const total = next.reduce((sum, x) => sum + x, 0);
    if (total === 0) break;
    attention = next.map((x) => x / total);
  }
  return best.solution.map((c, k) => c / scale ** powers[k]!);
}

/** The polynomial in single precision. */
export function minimax(fit: Fit): Fitted {
  const chosen: number[] = [];
  const known = (x: number): number => chosen.reduce((sum, c, i) => sum + c * x ** fit.powers[i]!, 0);
  for (const k of fit.powers.keys()) chosen.push(Math.fround(level(fit, fit.powers.slice(k), known)[0]!));
  const error = gridOf(fit).reduce((most, x) => Math.max(most, Math.abs(fit.weight(x) * (fit.value(x) - known(x)))), 0);
  return { coefficients: chosen, error };
}
