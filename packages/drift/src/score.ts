// The drift score: one scale 0…1 for every detector and report, on which 0.7 alerts.
//
//   score = 1 − 0.3^r        r = amount of drift / amount that alerts
//
// r = 0 gives 0, r = 1 gives 0.7, r = 2 gives 0.91; strictly monotone, never above 1. What r is decides what the score means:
// for a detector it is evidence (test statistic / threshold); for a window against a reference it is an effect size
// (distance / distance that matters), which does not grow with the number of samples as evidence does.

/** Score at which r = 1 lies. */
export const alertScore = 0.7;

const base = 1 - alertScore;

/**
 * Amount of drift as a score.
 * @param ratio amount of drift over the amount that alerts; ≥ 0, Infinity allowed.
 * @returns 0…1; 0.7 at ratio 1.
 */
export function driftScore(ratio: number): number {
  if (!(ratio > 0)) return 0;
  return ratio === 1 ? alertScore : 1 - base ** ratio;
}

/** The inverse of {@link driftScore}: how many times the alerting amount a score stands for. */
export function driftRatio(score: number): number {
  return score === alertScore ? 1 : Math.log(1 - score) / Math.log(base);
}
