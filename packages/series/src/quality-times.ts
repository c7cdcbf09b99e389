// The checks that look at times: order, duplicates, clock steps, gaps, regularity, the future, and how much there is.
import type { Check, Finding, QualityFacts } from './quality.ts';
import { dayMs, hourMs, minuteMs, secondMs, type Reading } from './reading.ts';

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** A count with its noun and verb. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A duration for people. */
export function durationText(ms: number): string {
  const units = [
    [dayMs, 'd'],
    [hourMs, 'h'],
    [minuteMs, 'min'],
    [secondMs, 's'],
  ] as const;
  const [unit, name] = units.find(([size]) => ms >= size) ?? [1, 'ms'];
  return `${Number((ms / unit).toFixed(1))} ${name}`;
}

/** How each property of time is checked. */
export const timeChecks = {
  amount: ({ times, nonFinite, options }) => {
    const { minimum = 200 } = options;
    if (times.length >= minimum) return undefined;
    return whole('too-little-data', 'error', {
      count: times.length,
      message: `${times.length} usable readings${nonFinite > 0 ? ` (and ${nonFinite} that are not numbers)` : ''} are too few, at least ${minimum} are needed`,
    });
  },

  span: ({ times, medianIntervalMs }) => {
    const span = (times[times.length - 1] ?? 0) - (times[0] ?? 0);
    if (times.length < 2 || span >= 2 * dayMs || medianIntervalMs > 12 * hourMs) return undefined;
    return whole('short-span', 'warning', {
      count: times.length,
      message: `the readings span ${durationText(span)}: less than two days cannot show a daily pattern`,
    });
  },

  finite: ({ arrived, nonFinite }) => {
    if (nonFinite === 0) return undefined;
    const share = nonFinite / arrived.length;
    const odd = arrived.filter(({ time, value }) => Number.isFinite(time) && !Number.isFinite(value));
    return {
      code: 'not-finite',
      severity: share > 0.5 ? 'error' : share > 0.01 ? 'warning' : 'info',
      count: nonFinite,
      firstTime: odd[0]?.time,
      lastTime: odd[odd.length - 1]?.time,
      message: `${counted(nonFinite, 'reading is', 'readings are')} NaN or infinite (${percent(share)}) and left out`,
    };
  },

  future: ({ times, options }) => {
    const { now } = options;
    const ahead = now === undefined ? [] : times.filter((time) => time > now + hourMs);
    if (ahead.length === 0) return undefined;
    return {
      code: 'future-dated',
      severity: ahead.length > 0.5 * times.length ? 'error' : 'warning',
      count: ahead.length,
      firstTime: ahead[0],
      lastTime: ahead[ahead.length - 1],
      message: `${counted(ahead.length, 'reading is', 'readings are')} dated up to ${durationText(ahead[ahead.length - 1]! - now!)} in the future`,
    };
  },

  order: (facts) => {
    const { arrived, outOfOrder } = facts;
    if (outOfOrder === 0 || clockSteps(facts).length > 0) return undefined;
    const late = lateReadings(facts);
    const share = outOfOrder / arrived.length;
    return {
      code: 'out-of-order',
      severity: share > 0.01 ? 'warning' : 'info',
      count: outOfOrder,
      firstTime: late.first,
      lastTime: late.last,
      message: `${counted(outOfOrder, 'reading', 'readings')} (${percent(share)}) came after later ones and will be put in order`,
    };
  },

  clock: (facts) => {
    const steps = clockSteps(facts);
    if (steps.length === 0) return undefined;
    const [first, last] = [steps[0]!, steps[steps.length - 1]!];
    return {
      code: 'clock-step',
      severity: 'warning',
      count: steps.length,
      firstTime: first.to,
      lastTime: last.to,
      message: `the clock went back ${steps.length === 1 ? 'once' : `${steps.length} times`}, first by ${durationText(first.from - first.to)}; readings of the same times are averaged`,
    };
  },

  duplicates: ({ arrived, duplicates }) => {
    if (duplicates === 0) return undefined;
    const share = duplicates / arrived.length;
    const { first, last, conflicting } = duplicateFacts(arrived);
    return {
      code: 'duplicate-time',
      severity: conflicting > 0 || share > 0.01 ? 'warning' : 'info',
      count: duplicates,
      firstTime: first,
      lastTime: last,
      message: `${counted(duplicates, 'reading has', 'readings have')} the time of another${conflicting > 0 ? `, ${conflicting} with another value` : ''}; the last one counts`,
    };
  },

  gaps: ({ times, medianIntervalMs, jitter }) => {
    // What is read irregularly may well pause for a while without missing anything.
    const limit = 3 * (1 + jitter) * medianIntervalMs;
    let [count, missing, longest] = [0, 0, 0];
    let [first, last]: [number | undefined, number | undefined] = [undefined, undefined];
    for (let i = 1; i < times.length; i++) {
      const interval = times[i]! - times[i - 1]!;
      if (!(interval > limit)) continue;
      count++;
      missing += interval - medianIntervalMs;
      longest = Math.max(longest, interval);
      first ??= times[i - 1]!;
      last = times[i]!;
    }
    if (count === 0) return undefined;
    const share = missing / (times[times.length - 1]! - times[0]!);
    return {
      code: 'gap',
      severity: share > 0.02 ? 'warning' : 'info',
      count,
      firstTime: first,
      lastTime: last,
      message: `${count} ${count === 1 ? 'gap covers' : 'gaps cover'} ${percent(share)} of the time, the longest ${durationText(longest)}`,
    };
  },

  regularity: ({ times, jitter, medianIntervalMs }) => {
    if (jitter <= 0.25) return undefined;
    return whole('irregular-sampling', jitter > 1 ? 'warning' : 'info', {
      count: times.length,
      message: `readings are irregular: half of the intervals differ from ${durationText(medianIntervalMs)} by about ${percent(jitter / 2)} or more`,
    });
  },
} as const satisfies Record<string, Check>;

/** A finding about the whole series. */
export function whole(
  code: Finding['code'],
  severity: Finding['severity'],
  { count, message }: Pick<Finding, 'count' | 'message'>,
): Finding {
  return { code, severity, count, firstTime: undefined, lastTime: undefined, message };
}

interface ClockStep {
  readonly from: number;
  readonly to: number;
}

/**
 * Places where time goes back and then goes on from there, as after a clock was set: at least three readings follow that ascend and
 * are still behind. A single late reading, or a file in random order, is no clock step.
 */
function clockSteps({ arrived, medianIntervalMs, outOfOrder }: QualityFacts): ClockStep[] {
  const steps: ClockStep[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  let descents = 0;
  for (let i = 0; i < arrived.length; i++) {
    const { time } = arrived[i]!;
    const previous = arrived[i - 1]?.time ?? time;
    if (time < previous) descents++;
    if (time < previous && time < newest - 0.5 * medianIntervalMs && goesOn(arrived, i, newest)) {
      steps.push({ from: previous, to: time });
    }
    if (time > newest) newest = time;
  }
  const shuffled = descents > 0.05 * arrived.length && outOfOrder > 20;
  return shuffled ? [] : steps;
}

function goesOn(arrived: readonly Reading[], from: number, newest: number): boolean {
  for (let i = from + 1; i < from + 3; i++) {
    const time = arrived[i]?.time ?? Number.NaN;
    if (!(time > arrived[i - 1]!.time && time <= newest)) return false;
  }
  return true;
}

function lateReadings({ arrived }: QualityFacts): { first: number | undefined; last: number | undefined } {
  let newest = Number.NEGATIVE_INFINITY;
  let [first, last]: [number | undefined, number | undefined] = [undefined, undefined];
  for (const { time } of arrived) {
    if (time < newest) {
      first = Math.min(first ?? time, time);
      last = Math.max(last ?? time, time);
    } else newest = time;
  }
  return { first, last };
}

function duplicateFacts(arrived: readonly Reading[]): { first?: number; last?: number; conflicting: number } {
  const seen = new Map<number, number>();
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let conflicting = 0;
  for (const { time, value } of arrived) {
    if (!Number.isFinite(time) || !Number.isFinite(value)) continue;
    const before = seen.get(time);
    seen.set(time, value);
    if (before === undefined) continue;
    first = Math.min(first, time);
    last = Math.max(last, time);
    if (before !== value) conflicting++;
  }
  return { first, last, conflicting };
}
