// Boxes and their overlap. Corners are real numbers: no pixel is added to widths (the oldest VOC code does that).
import { SanderlingError } from '@sanderling/kit';

/** left, top, right, bottom; y grows downwards. */
export type Box = readonly [number, number, number, number];

/** Area; 0 for a line or a point. */
export function boxArea([left, top, right, bottom]: Box): number {
  return (right - left) * (bottom - top);
}

/** Intersection over union, in 0…1; 0 when both are empty. */
export function boxIou(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (boxArea(a) + boxArea(b) - both);
}

/** @throws INVALID_DATA on a box that is none */
export function checkBox(where: string, box: Box): void {
  const isBox =
    Array.isArray(box) && box.length === 4 && box.every(Number.isFinite) && box[0] <= box[2] && box[1] <= box[3];
  if (isBox) return;
  throw new SanderlingError('INVALID_DATA', `${where} is not [left, top, right, bottom]`, {
    where,
    fix: 'convert from x, y, width, height by adding',
  });
}
