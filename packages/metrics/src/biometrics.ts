// Metrics of verification (is this the person?) and of presentation attacks, in the words of ISO/IEC 19795-1 and 30107-3.
import { SanderlingError } from '@sanderling/kit';
import { checkSeries, type Series } from './series.ts';

/** Scores of attempts; a higher score is a better match. */
export interface Attempts {
  /** Of people against themselves. */
  readonly genuine: Series;
  /** Of people against others. */
  readonly impostor: Series;
}

/** Errors at one threshold: an attempt is accepted when its score is at least the threshold. */
export interface DetPoint {
  readonly threshold: number;
  /** False acceptance rate: share of impostors accepted. */
  readonly far: number;
  /** False rejection rate: share of genuine attempts rejected. */
  readonly frr: number;
}

/** Errors of attack detection at a threshold; a higher score is more likely real. */
export interface PresentationAttackErrors {
  /** Share of each kind of attack that was taken for real. */
  readonly perKind: Readonly<Record<string, number>>;
  /** The worst kind's share (the standard's APCER). */
  readonly apcer: number;
  /** Share of real presentations taken for attacks. */
  readonly bpcer: number;
  /** Mean of both. */
  readonly acer: number;
}

/** Errors at a threshold. @throws TOO_LITTLE_DATA, INVALID_DATA */
export function verificationErrors(attempts: Attempts, threshold: number): DetPoint {
  const { genuine, impostor } = sorted(attempts);
  if (Number.isNaN(threshold))
    throw new SanderlingError('INVALID_ARGUMENT', 'the threshold is NaN', { where: 'threshold' });
  return { threshold, far: 1 - shareBelow(impostor, threshold), frr: shareBelow(genuine, threshold) };
}

/** The trade-off (detection error trade-off, DET): one point for each distinct score, thresholds rising, then Infinity where all is rejected. @throws as verificationErrors */
export function detCurve(attempts: Attempts): readonly DetPoint[] {
  const { genuine, impostor } = sorted(attempts);
  const thresholds = [...new Set([...genuine, ...impostor])].sort((a, b) => a - b);
  return [...thresholds, Infinity].map((threshold) => ({
    threshold,
    far: 1 - shareBelow(impostor, threshold),
    frr: shareBelow(genuine, threshold),
  }));
}

/** Equal error rate: where the straight lines between the points of the DET curve have FAR = FRR, and the threshold there. @throws as verificationErrors */
export function equalErrorRate(attempts: Attempts): { readonly rate: number; readonly threshold: number } {
  const curve = detCurve(attempts);
  const after = curve.findIndex(({ far, frr }) => frr >= far);
  const b = curve[after]!;
  const a = curve[Math.max(0, after - 1)]!;
  const gapA = a.far - a.frr;
  const gapB = b.far - b.frr;
  const share = gapA === gapB ? 0 : gapA / (gapA - gapB);
  return { rate: a.far + share * (b.far - a.far), threshold: Number.isFinite(b.threshold) ? b.threshold : a.threshold };
}

/** The lowest threshold whose FAR is at most `far`, with its FRR: how a lock is set. @throws as verificationErrors */
export function thresholdAtFar(attempts: Attempts, far: number): DetPoint {
  if (!(far >= 0 && far <= 1))
    throw new SanderlingError('INVALID_ARGUMENT', `far is ${far}, not in 0…1`, { where: 'far' });
  return detCurve(attempts).find((point) => point.far <= far)!;
}

/**
 * Errors of presentation attack detection.
 * @param real scores of real people
 * @param attacks scores of attacks by kind: print, screen, mask …
 * @throws TOO_LITTLE_DATA, INVALID_DATA
 */
export function presentationAttackErrors(
  real: Series,
  attacks: Readonly<Record<string, Series>>,
  threshold: number,
): PresentationAttackErrors {
  const kinds = Object.entries(attacks);
  if (kinds.length === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'there is no attack', { where: 'attacks' });
  const perKind = Object.fromEntries(
    kinds.map(([kind, scores]) => [kind, verificationErrors({ genuine: real, impostor: scores }, threshold).far]),
  );
  const apcer = Math.max(...Object.values(perKind));
  const bpcer = verificationErrors({ genuine: real, impostor: kinds[0]![1] }, threshold).frr;
  return { perKind, apcer, bpcer, acer: (apcer + bpcer) / 2 };
}

function sorted({ genuine, impostor }: Attempts): { readonly genuine: Float64Array; readonly impostor: Float64Array } {
  checkSeries('genuine', genuine);
  checkSeries('impostor', impostor);
  return { genuine: Float64Array.from(genuine).sort(), impostor: Float64Array.from(impostor).sort() };
}

/** Share of sorted values below a threshold, by bisection. */
function shareBelow(values: Float64Array, threshold: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < threshold) low = middle + 1;
    else high = middle;
  }
  return low / values.length;
}
