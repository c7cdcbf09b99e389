// Test problems with known optima: Branin and Hartmann-6 (Dixon & Szegö 1978), ZDT1–3 (Zitzler, Deb & Thiele 2000), DTLZ2 (Deb et al. 2002).
import { float, space, type Space } from '@sanderling/search';

/** Named numbers in a fixed order. */
export type Point = Readonly<Record<string, number>>;

/** A problem with costs to minimise. */
export interface Problem {
  readonly name: string;
  readonly space: Space<Point>;
  readonly goals: number;
  readonly costs: (point: Point) => readonly number[];
}

/** Branin: minimum 0.397887. */
export const branin: Problem = {
  name: 'Branin',
  space: space({ x: float(-5, 10), y: float(0, 15) }),
  goals: 1,
  costs: ({ x, y }) => {
    const bend = y! - (5.1 / (4 * Math.PI ** 2)) * x! ** 2 + (5 / Math.PI) * x! - 6;
    return [bend ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x!) + 10];
  },
};

const widths = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const centres = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];
const heights = [1, 1.2, 3, 3.2];

/** Hartmann-6: minimum −3.32237. */
export const hartmann6: Problem = {
  name: 'Hartmann6',
  space: unitCube(6),
  goals: 1,
  costs: (point) => {
    const x = Object.values(point);
    const wells = heights.map((height, k) => {
      const distance = x.reduce((sum, v, i) => sum + widths[k]![i]! * (v - centres[k]![i]!) ** 2, 0);
      return height * Math.exp(-distance);
    });
    return [-wells.reduce((sum, well) => sum + well, 0)];
  },
};

/** ZDT1: f2 = 1 − √f1 on the front. */
export const zdt1 = zdt('ZDT1', (f, g) => g * (1 - Math.sqrt(f / g)));
/** ZDT2: f2 = 1 − f1². */
export const zdt2 = zdt('ZDT2', (f, g) => g * (1 - (f / g) ** 2));
/** ZDT3: a front in five pieces. */
export const zdt3 = zdt('ZDT3', (f, g) => g * (1 - Math.sqrt(f / g) - (f / g) * Math.sin(10 * Math.PI * f)));

/** DTLZ2 with three goals and twelve variables: the front is an octant of the unit sphere. */
export const dtlz2: Problem = {
  name: 'DTLZ2',
  space: unitCube(12),
  goals: 3,
  costs: (point) => {
    const x = Object.values(point);
    const radius = 1 + x.slice(2).reduce((sum, v) => sum + (v - 0.5) ** 2, 0);
    const [a, b] = [(x[0]! * Math.PI) / 2, (x[1]! * Math.PI) / 2];
    return [radius * Math.cos(a) * Math.cos(b), radius * Math.cos(a) * Math.sin(b), radius * Math.sin(a)];
  },
};

function zdt(name: string, shape: (f: number, g: number) => number): Problem {
  return {
    name,
    space: unitCube(30),
    goals: 2,
    costs: (point) => {
      const x = Object.values(point);
      const g = 1 + (9 / 29) * x.slice(1).reduce((sum, v) => sum + v, 0);
      return [x[0]!, shape(x[0]!, g)];
    },
  };
}

function unitCube(size: number): Space<Point> {
  return space(Object.fromEntries(Array.from({ length: size }, (_, i) => [`x${i}`, float(0, 1)])));
}
