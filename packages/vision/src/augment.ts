// More pictures from few: each turned, zoomed, sheared, moved, mirrored and lit at random. Seeded: the same generator gives the same pictures.
import { SanderlingError, type Random } from '@sanderling/kit';
import type { Planes } from './planes.ts';

/** How a picture is changed. Positive numbers turn clockwise, enlarge, move right and down. */
export interface Warp {
  /** Radians. @default 0 */
  readonly rotate?: number;
  /** 2 shows everything twice as large. @default 1 */
  readonly zoom?: number;
  /** Columns to the right a row further down. @default 0 */
  readonly shear?: number;
  /** Share of the width. @default 0 */
  readonly shiftX?: number;
  /** Share of the height. @default 0 */
  readonly shiftY?: number;
  /** Left and right change places. @default false */
  readonly mirror?: boolean;
}

/** Numbers of a 2 × 3 matrix: source = (a x + b y + c, d x + e y + f) in pixels from the centre. */
type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/**
 * The picture turned, zoomed, sheared, moved and mirrored about its centre, in this order; bilinear, edges go on outside.
 * @throws INVALID_ARGUMENT for a zoom that is not positive.
 */
export function warped(planes: Planes, warp: Warp): Planes {
  const { width, height, channels } = planes;
  const matrix = inverse(planes, warp);
  const area = width * height;
  const data = new Float32Array(area * channels);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) sample(planes, { matrix, x, y, data });
  }
  return { ...planes, data };
}

/** Where an output pixel comes from: the inverse of rotate · shear · zoom, then mirror, then shift. */
function inverse({ width, height }: Planes, warp: Warp): Matrix {
  const { rotate = 0, zoom = 1, shear = 0, shiftX = 0, shiftY = 0, mirror = false } = warp;
  if (!(zoom > 0) || ![rotate, zoom, shear, shiftX, shiftY].every(Number.isFinite))
    throw new SanderlingError('INVALID_ARGUMENT', `no picture can be warped by ${JSON.stringify(warp)}`, {
      where: 'warp',
    });
  const [cosine, sine] = [Math.cos(rotate) / zoom, Math.sin(rotate) / zoom];
  const side = mirror ? -1 : 1;
  // out = side · shear · rotate · zoom · in + shift
  const [a, b] = [side * cosine, sine - shear * cosine];
  const [d, e] = [-side * sine, cosine + shear * sine];
  const [moveX, moveY] = [shiftX * width, shiftY * height];
  return [a, b, -a * moveX - b * moveY, d, e, -d * moveX - e * moveY];
}

interface Target {
  readonly matrix: Matrix;
  readonly x: number;
  readonly y: number;
  readonly data: Float32Array;
}

function sample({ width, height, channels, data: from }: Planes, { matrix, x, y, data }: Target): void {
  const [a, b, c, d, e, f] = matrix;
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const [right, down] = [x - middleX, y - middleY];
  const u = Math.min(Math.max(a * right + b * down + c + middleX, 0), width - 1);
  const v = Math.min(Math.max(d * right + e * down + f + middleY, 0), height - 1);
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const [s, t] = [u - left, v - top];
  const [stepX, stepY] = [left + 1 < width ? 1 : 0, top + 1 < height ? width : 0];
  for (let channel = 0; channel < channels; channel += 1) {
    const base = channel * width * height;
    const at = base + top * width + left;
    const upper = (1 - s) * (from[at] as number) + s * (from[at + stepX] as number);
    const lower = (1 - s) * (from[at + stepY] as number) + s * (from[at + stepY + stepX] as number);
    data[base + y * width + x] = (1 - t) * upper + t * lower;
  }
}

/** How far pictures are changed at random; every change is uniform within ± its number. @default 0 each: not at all */
export interface Changes {
  /** Radians to either side. */
  readonly rotate?: number;
  /** Share larger or smaller: 0.1 is 0.9 … 1.1. */
  readonly zoom?: number;
  readonly shear?: number;
  /** Share of the side, in both directions. */
  readonly shift?: number;
  /** Half of the pictures are mirrored. */
  readonly mirror?: boolean;
  /** Share of contrast about the picture's mean. */
  readonly contrast?: number;
  /** Added to every number. */
  readonly brightness?: number;
}

/** A random change of a picture. The generator is drawn from the same number of times whatever the changes are. */
export function augmented(planes: Planes, changes: Changes, random: Random): Planes {
  const { rotate = 0, zoom = 0, shear = 0, shift = 0, mirror = false, contrast = 0, brightness = 0 } = changes;
  const within = (limit: number) => random.uniform(-limit, limit);
  const warp: Warp = {
    rotate: within(rotate),
    zoom: 1 + within(zoom),
    shear: within(shear),
    shiftX: within(shift),
    shiftY: within(shift),
    mirror: random.next() < 0.5 && mirror,
  };
  const [gain, offset] = [1 + within(contrast), within(brightness)];
  const { data, ...size } = warped(planes, warp);
  if (contrast === 0 && brightness === 0) return { ...size, data };
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  return { ...size, data: data.map((x) => (x - mean) * gain + mean + offset) };
}
