// Cross-validation: every sample judges once and learns in all other folds.
import { createRandom, SanderlingError } from '@sanderling/kit';

/** One split of the samples. */
export interface Fold {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/** How samples are split. */
export interface FoldOptions {
  /** Number of folds, at least 2. */
  readonly folds: number;
  /** @default 0 */
  readonly seed?: number | string;
  /**
   * A group for each sample, such as a person or a machine: a group is never split. @default every sample on its own
   */
  readonly groups?: ArrayLike<number | string>;
}

/**
 * k-fold cross-validation over samples 0 … count − 1, shuffled; with groups, whole groups go to the fold that has fewest samples so far, largest first.
 * @throws INVALID_ARGUMENT for fewer than two folds; TOO_LITTLE_DATA when there are fewer samples (or groups) than folds.
 */
export function kFold(count: number, { folds, seed = 0, groups }: FoldOptions): Fold[] {
  if (!Number.isSafeInteger(folds) || folds < 2)
    throw new SanderlingError('INVALID_ARGUMENT', `folds must be at least 2, not ${folds}`, { where: 'folds' });
  const members = new Map<number | string, number[]>();
  for (let i = 0; i < count; i += 1) {
    const group = groups?.[i] ?? i;
    const known = members.get(group);
    if (known) known.push(i);
    else members.set(group, [i]);
  }
  if (members.size < folds)
    throw new SanderlingError('TOO_LITTLE_DATA', `${members.size} samples or groups make no ${folds} folds`, {
      where: 'folds',
    });
  const parts = Array.from({ length: folds }, (): number[] => []);
  const shuffled = createRandom(seed, 'folds').shuffle([...members.values()]);
  for (const group of shuffled.toSorted((a, b) => b.length - a.length)) {
    const least = parts.reduce((a, b) => (b.length < a.length ? b : a));
    for (const sample of group) least.push(sample);
  }
  const sorted = (numbers: readonly number[]) => Int32Array.from(numbers).sort();
  return parts.map((part, k) => ({
    train: sorted(parts.flatMap((other, j) => (j === k ? [] : other))),
    validation: sorted(part),
  }));
}
