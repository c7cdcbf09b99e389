// Operators on coordinates in [0, 1]: simulated binary crossover within bounds and polynomial mutation, as Deb's NSGA-II code defines them.
import type { Random } from '@sanderling/kit';

/** One child of two different coordinates, near the first or the second with equal chance; larger eta stays nearer. */
export function simulatedBinary([a, b]: readonly [number, number], eta: number, stream: Random): number {
  const low = Math.min(a, b);
  const high = Math.max(a, b);
  const distance = high - low;
  if (distance < 1e-14) return a;
  const draw = stream.next();
  const lower = stream.next() < 0.5;
  // β reaches no further than the bound on the child's own side.
  const reach = 1 + (2 * (lower ? low : 1 - high)) / distance;
  const alpha = 2 - reach ** -(eta + 1);
  const beta = draw <= 1 / alpha ? (draw * alpha) ** (1 / (eta + 1)) : (1 / (2 - draw * alpha)) ** (1 / (eta + 1));
  const middle = (low + high) / 2;
  const child = lower ? middle - (beta * distance) / 2 : middle + (beta * distance) / 2;
  return Math.min(1, Math.max(0, child));
}

/** A coordinate moved by a polynomially distributed step that cannot leave [0, 1]; larger eta is smaller steps. */
export function polynomialMutation(unit: number, eta: number, stream: Random): number {
  const draw = stream.next();
  const power = 1 / (eta + 1);
  const step =
    draw < 0.5
      ? (2 * draw + (1 - 2 * draw) * (1 - unit) ** (eta + 1)) ** power - 1
      : 1 - (2 * (1 - draw) + 2 * (draw - 0.5) * unit ** (eta + 1)) ** power;
  return Math.min(1, Math.max(0, unit + step));
}
