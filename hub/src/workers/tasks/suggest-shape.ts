// Horizon and window that suit a step when a user does not say.

const minuteMs = 60_000;

/** Steps ahead: an hour for steps of minutes, six hours for longer ones, 3 to 24 steps. */
export function suggestHorizon(stepMs: number): number {
  const spanMs = stepMs < 30 * minuteMs ? 60 * minuteMs : 360 * minuteMs;
  return Math.min(24, Math.max(3, Math.round(spanMs / stepMs)));
}

/** Rows to look at: twice the horizon, 12 to 36. */
export function suggestWindow(stepMs: number): number {
  return Math.min(36, Math.max(12, 2 * suggestHorizon(stepMs)));
}
