// Learning-rate schedules: pure functions of the step and of the losses so far, so that a resumed training goes on as if nothing had happened.
// Settings that cannot be are an INVALID_ARGUMENT.
import { checkSettings } from '../settings.ts';

/** The learning rate of a step counted from 0; `losses` are the deciding losses of the epochs finished so far. */
export type Schedule = (step: number, losses: readonly number[]) => number;

/** Times `factor` every `every` steps. */
export function stepDecay(rate: number, { every, factor }: { every: number; factor: number }): Schedule {
  checkSettings('positive', { rate, factor });
  checkSettings('count', { every });
  return (step) => rate * factor ** Math.floor(step / every);
}

/** Half a cosine from `rate` down to `floor` over `steps` steps, then `floor` (Loshchilov & Hutter 2017, without restarts). */
export function cosine(rate: number, { steps, floor = 0 }: { steps: number; floor?: number }): Schedule {
  checkSettings('positive', { rate });
  checkSettings('count', { steps });
  checkSettings('notNegative', { floor });
  return (step) => floor + ((rate - floor) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps))) / 2;
}

/** Grows linearly from `from` · rate to the full rate in `steps` steps, then goes on with a schedule. */
export function warmUp(then: Schedule | number, { steps, from = 0 }: { steps: number; from?: number }): Schedule {
  checkSettings('whole', { steps });
  checkSettings('part', { from });
  if (typeof then === 'number') checkSettings('positive', { rate: then });
  const after: Schedule = typeof then === 'number' ? () => then : then;
  return (step, losses) => {
    if (step >= steps) return after(step - steps, losses);
    return after(0, losses) * (from + ((1 - from) * step) / steps);
  };
}

/** Settings of the one-cycle schedule. */
export interface OneCycleOptions {
  readonly steps: number;
  /** Share of the steps that go up. @default 0.3 */
  readonly up?: number;
  /** The first rate is `rate` over this. @default 25 */
  readonly initialDivisor?: number;
  /** The last rate is the first over this. @default 1e4 */
  readonly finalDivisor?: number;
}

/** One cycle (Smith & Topin 2019): a cosine up to `rate`, then a cosine down to next to nothing; as PyTorch's OneCycleLR. */
export function oneCycle(rate: number, options: OneCycleOptions): Schedule {
  const { steps, up = 0.3, initialDivisor = 25, finalDivisor = 1e4 } = options;
  checkSettings('count', { steps });
  checkSettings('positive', { rate, initialDivisor, finalDivisor });
  checkSettings('part', { up });
  const [first, last] = [rate / initialDivisor, rate / initialDivisor / finalDivisor];
  const [top, end] = [up * steps - 1, steps - 1];
  const between = (a: number, b: number, part: number) => b + ((a - b) / 2) * (1 + Math.cos(Math.PI * part));
  return (step) => {
    const at = Math.min(step, end);
    return at < top ? between(first, rate, at / top) : between(rate, last, (at - top) / (end - top || 1));
  };
}

/** Settings of the plateau schedule. */
export interface PlateauOptions {
  /** @default 0.1 */
  readonly factor?: number;
  /** Epochs without a better loss that are borne. @default 10 */
  readonly patience?: number;
  /** A loss is better when it is below the best by this share. @default 1e-4 */
  readonly threshold?: number;
  /** @default 0 */
  readonly floor?: number;
}

/** Times `factor` whenever the loss has not become better for more than `patience` epochs; as PyTorch's ReduceLROnPlateau. */
export function plateau(rate: number, options: PlateauOptions = {}): Schedule {
  const { factor = 0.1, patience = 10, threshold = 1e-4, floor = 0 } = options;
  checkSettings('positive', { rate });
  checkSettings('share', { factor });
  checkSettings('whole', { patience });
  checkSettings('notNegative', { threshold, floor });
  return (_, losses) => {
    let [best, bad, now] = [Number.POSITIVE_INFINITY, 0, rate];
    for (const loss of losses) {
      if (loss < best * (1 - threshold)) [best, bad] = [loss, 0];
      else bad += 1;
      if (bad > patience) [now, bad] = [Math.max(now * factor, floor), 0];
    }
    return now;
  };
}
