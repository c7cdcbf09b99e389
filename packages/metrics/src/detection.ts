// Average precision of object detection: as COCO counts it (Lin et al. 2014; 101 recalls, IoU 0.5…0.95, areas, 100 detections an image) and as VOC did
// (Everingham et al. 2010; one IoU, the whole area under the curve or 11 recalls).
import { SanderlingError } from '@sanderling/kit';
import { boxArea, boxIou, checkBox, type Box } from './boxes.ts';
import { meanDefined, type Label } from './classification.ts';
import { matchCoco, matchVoc, type Match } from './detection-matching.ts';

/** An object that is there. */
export interface Truth {
  readonly box: Box;
  readonly label: Label;
  /** "Difficult": finding it counts neither for nor against. @default false */
  readonly ignore?: boolean;
}

/** An object that was found. */
export interface Detection {
  readonly box: Box;
  readonly label: Label;
  readonly score: number;
}

/** One image. */
export interface DetectionImage {
  readonly truths: readonly Truth[];
  readonly detections: readonly Detection[];
}

/** COCO's summary. Null where no object is left to find. */
export interface CocoMetrics {
  /** Mean over the classes and IoU 0.5, 0.55 … 0.95. */
  readonly map: number | null;
  readonly map50: number | null;
  readonly map75: number | null;
  /** Objects below 32², up to 96², and above. */
  readonly mapSmall: number | null;
  readonly mapMedium: number | null;
  readonly mapLarge: number | null;
  /** Mean largest recall over classes and IoUs, with 100 detections an image. */
  readonly recall: number | null;
  readonly classes: readonly { readonly label: Label; readonly ap: number | null; readonly ap50: number | null }[];
}

const thresholds = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);
const everyArea = [0, Infinity] as const;
const mostDetections = 100;

/** COCO's metrics. @throws TOO_LITTLE_DATA without any truth, INVALID_DATA on bad boxes or scores */
export function cocoMetrics(images: readonly DetectionImage[]): CocoMetrics {
  const labels = labelsOf(images);
  const all = labels.map((label) => classCurves(images, label, everyArea));
  const mapIn = (area: readonly [number, number]): number | null =>
    meanDefined(labels.flatMap((label) => classCurves(images, label, area).map((curve) => averageAt101(curve))));
  const at = (threshold: number): number | null =>
    meanDefined(all.map((curves) => averageAt101(curves[thresholds.indexOf(threshold)]!)));
  return {
    map: meanDefined(all.flatMap((curves) => curves.map((curve) => averageAt101(curve)))),
    map50: at(0.5),
    map75: at(0.75),
    mapSmall: mapIn([0, 32 ** 2]),
    mapMedium: mapIn([32 ** 2, 96 ** 2]),
    mapLarge: mapIn([96 ** 2, Infinity]),
    recall: meanDefined(
      all.flatMap((curves) => curves.map(({ recall, total }) => (total === 0 ? null : (recall.at(-1) ?? 0)))),
    ),
    classes: labels.map((label, i) => ({
      label,
      ap: meanDefined(all[i]!.map((curve) => averageAt101(curve))),
      ap50: averageAt101(all[i]![0]!),
    })),
  };
}

/** How VOC counts. */
export interface VocOptions {
  /** @default 0.5 */
  readonly iou?: number;
  /** The mean over the recalls 0, 0.1 … 1 of VOC 2007 instead of the area under the curve. @default false */
  readonly elevenPoints?: boolean;
}

/** VOC's average precision for each class, and the mean. @throws as cocoMetrics */
export function vocMetrics(
  images: readonly DetectionImage[],
  { iou = 0.5, elevenPoints = false }: VocOptions = {},
): { readonly map: number | null; readonly classes: readonly { readonly label: Label; readonly ap: number | null }[] } {
  if (!(iou > 0 && iou <= 1))
    throw new SanderlingError('INVALID_ARGUMENT', `iou is ${iou}, not in 0…1`, { where: 'iou' });
  const classes = labelsOf(images).map((label) => {
    const curve = curveOf(images.map((image) => matchVoc(ofClass(image, label), iou)));
    return { label, ap: elevenPoints ? averageAt11(curve) : areaUnder(curve) };
  });
  return { map: meanDefined(classes.map(({ ap }) => ap)), classes };
}

/** Recall and precision after each detection, best score first; precision is made to fall. */
interface Curve {
  readonly recall: Float64Array;
  readonly precision: Float64Array;
  /** Objects to find. */
  readonly total: number;
}

/** The curve of a class at every IoU. */
function classCurves(
  images: readonly DetectionImage[],
  label: Label,
  area: readonly [number, number],
): readonly Curve[] {
  const own = images.map((image) => {
    const { truths, detections } = ofClass(image, label);
    const best = detections.toSorted((a, b) => b.score - a.score).slice(0, mostDetections);
    const outside = (box: Box): boolean => boxArea(box) < area[0] || boxArea(box) > area[1];
    return {
      truths: truths.map((truth) => ({ ...truth, ignore: truth.ignore === true || outside(truth.box) })),
      detections: best,
      outside: best.map(({ box }) => outside(box)),
      ious: best.map((detection) => truths.map((truth) => boxIou(detection.box, truth.box))),
    };
  });
  return thresholds.map((threshold) => curveOf(own.map((image) => matchCoco(image, threshold))));
}

function curveOf(images: readonly { readonly matches: readonly Match[]; readonly total: number }[]): Curve {
  const matches = images.flatMap((image) => image.matches).sort((a, b) => b.score - a.score);
  const total = images.reduce((sum, image) => sum + image.total, 0);
  const counted = matches.filter(({ verdict }) => verdict !== 'ignored');
  const recall = new Float64Array(counted.length);
  const precision = new Float64Array(counted.length);
  let hits = 0;
  for (const [i, { verdict }] of counted.entries()) {
    if (verdict === 'hit') hits++;
    recall[i] = hits / total;
    precision[i] = hits / (i + 1);
  }
  for (let i = precision.length - 2; i >= 0; i--) precision[i] = Math.max(precision[i]!, precision[i + 1]!);
  return { recall, precision, total };
}

function averageAt101(curve: Curve): number | null {
  return averageAt(curve, 100);
}

function averageAt11(curve: Curve): number | null {
  return averageAt(curve, 10);
}

/** Mean precision at the recalls 0, 1/steps … 1. */
function averageAt({ recall, precision, total }: Curve, steps: number): number | null {
  if (total === 0) return null;
  let sum = 0;
  let i = 0;
  for (let k = 0; k <= steps; k++) {
    while (i < recall.length && recall[i]! < k / steps) i++;
    sum += precision[i] ?? 0;
  }
  return sum / (steps + 1);
}

function areaUnder({ recall, precision, total }: Curve): number | null {
  if (total === 0) return null;
  return precision.reduce((sum, p, i) => sum + p * (recall[i]! - (recall[i - 1] ?? 0)), 0);
}

function ofClass(image: DetectionImage, label: Label): DetectionImage {
  return {
    truths: image.truths.filter((truth) => truth.label === label),
    detections: image.detections.filter((detection) => detection.label === label),
  };
}

/** The classes of the truths, sorted; checks every box and score. Detections of other classes have nothing to find and count nowhere. */
function labelsOf(images: readonly DetectionImage[]): readonly Label[] {
  const labels = new Set<Label>();
  for (const [i, { truths, detections }] of images.entries()) {
    for (const [k, { box, label }] of truths.entries()) {
      checkBox(`images[${i}].truths[${k}].box`, box);
      labels.add(label);
    }
    for (const [k, { box, score }] of detections.entries()) {
      const where = `images[${i}].detections[${k}]`;
      checkBox(`${where}.box`, box);
      if (!Number.isFinite(score))
        throw new SanderlingError('INVALID_DATA', `the score is ${score}`, { where: `${where}.score` });
    }
  }
  if (labels.size === 0)
    throw new SanderlingError('TOO_LITTLE_DATA', 'there is no object to find', { where: 'images' });
  return [...labels].sort((a, b) => (String(a) < String(b) ? -1 : 1));
}
