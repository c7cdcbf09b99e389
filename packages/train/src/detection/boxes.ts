// Anchor boxes of a single-shot detector (Liu et al. 2016): where they lie, which object each is to find, and how offsets encode boxes.
// All coordinates are shares of the picture, 0 … 1.
import { SanderlingError } from '@sanderling/kit';

/** A box by its sides: left, top, right, bottom. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** An object in a picture; classes count from 0. */
export interface LabelledBox {
  readonly label: number;
  readonly box: Box;
}

/** A grid of cells, each with one anchor for every shape. */
export interface AnchorLevel {
  /** Rows and columns of cells. */
  readonly grid: readonly [rows: number, columns: number];
  /** Width and height of each anchor. */
  readonly shapes: readonly (readonly [width: number, height: number])[];
}

/** Anchors as centre x, centre y, width, height, four numbers each, in the order in which the detector's output has them. */
export function anchorBoxes(levels: readonly AnchorLevel[]): Float32Array {
  return Float32Array.from(
    levels.flatMap(({ grid: [rows, columns], shapes }) =>
      Array.from({ length: rows * columns }, (_, cell) => {
        const [x, y] = [((cell % columns) + 0.5) / columns, (Math.floor(cell / columns) + 0.5) / rows];
        return shapes.flatMap(([width, height]) => [x, y, width, height]);
      }).flat(),
    ),
  );
}

/** Intersection over union. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** SSD's scaling of the offsets: centres by 0.1, sizes by 0.2. */
const [centreScale, sizeScale] = [0.1, 0.2];

function anchorAt(anchors: Float32Array, i: number): [number, number, number, number] {
  return [
    anchors[4 * i] as number,
    anchors[4 * i + 1] as number,
    anchors[4 * i + 2] as number,
    anchors[4 * i + 3] as number,
  ];
}

/** The sides of an anchor. */
export function anchorSides(anchors: Float32Array, i: number): Box {
  const [x, y, width, height] = anchorAt(anchors, i);
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
}

/** The offsets that turn an anchor into a box. */
export function encodeBox(anchors: Float32Array, i: number, box: Box): [number, number, number, number] {
  const [x, y, width, height] = anchorAt(anchors, i);
  return [
    ((box[0] + box[2]) / 2 - x) / width / centreScale,
    ((box[1] + box[3]) / 2 - y) / height / centreScale,
    Math.log((box[2] - box[0]) / width) / sizeScale,
    Math.log((box[3] - box[1]) / height) / sizeScale,
  ];
}

/** The box that offsets mean. */
export function decodeBox(anchors: Float32Array, i: number, offsets: ArrayLike<number>): Box {
  const [x, y, width, height] = anchorAt(anchors, i);
  const [cx, cy] = [
    x + (offsets[0] as number) * centreScale * width,
    y + (offsets[1] as number) * centreScale * height,
  ];
  const [w, h] = [
    width * Math.exp((offsets[2] as number) * sizeScale),
    height * Math.exp((offsets[3] as number) * sizeScale),
  ];
  return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
}

/**
 * The target of one picture: for each anchor its class + 1 (0: background) and four offsets, 5 numbers an anchor. An anchor takes the object that it
 * overlaps most, if by at least `threshold`. And every object that an anchor overlaps at all gets one of its own, whatever the threshold, as long as there
 * are anchors: the pairs that overlap most first.
 * @throws INVALID_DATA for an object whose class or box cannot be.
 */
export function matchAnchors(anchors: Float32Array, objects: readonly LabelledBox[], threshold = 0.5): Float32Array {
  objects.forEach(checkObject);
  const count = anchors.length / 4;
  const target = new Float32Array(count * 5);
  const give = (i: number, { label, box }: LabelledBox) =>
    target.set([label + 1, ...encodeBox(anchors, i, box)], 5 * i);
  const overlaps = objects.map(({ box }) =>
    Float64Array.from({ length: count }, (_, i) => overlap(anchorSides(anchors, i), box)),
  );
  for (let i = 0; i < count; i += 1) {
    const best = highest(objects.keys(), (n) => overlaps[n]?.[i] as number);
    if (best !== undefined && best.value >= threshold) give(i, objects[best.item] as LabelledBox);
  }
  for (let left = new Set(objects.keys()); left.size > 0; ) {
    const nearest = new Map(
      [...left].map((n) => [n, highest(overlaps[n]?.keys() ?? [], (i) => overlaps[n]?.[i] as number)]),
    );
    const first = highest(left, (n) => nearest.get(n)?.value ?? 0);
    const anchor = first && nearest.get(first.item);
    if (first === undefined || anchor === undefined || anchor.value === 0) break;
    give(anchor.item, objects[first.item] as LabelledBox);
    for (const row of overlaps) row[anchor.item] = 0;
    left = new Set([...left].filter((n) => n !== first.item));
  }
  return target;
}

function checkObject({ label, box }: LabelledBox, i: number): void {
  const [left, top, right, bottom] = box;
  const fits = Number.isSafeInteger(label) && label >= 0 && box.every(Number.isFinite) && left < right && top < bottom;
  if (fits) return;
  throw new SanderlingError('INVALID_DATA', `object ${i} has class ${label} and the box [${box.join(', ')}]`, {
    where: 'objects',
    fix: 'classes count from 0; a box is left, top, right, bottom with left < right and top < bottom',
  });
}

/** The item with the largest value, the first of equals; undefined of none. */
function highest<T>(items: Iterable<T>, value: (item: T) => number): { item: T; value: number } | undefined {
  let best: { item: T; value: number } | undefined;
  for (const item of items) {
    const now = value(item);
    if (best === undefined || now > best.value) best = { item, value: now };
  }
  return best;
}
