// The checks that look at values: outliers, sensors that are stuck or not connected, and units that cannot be right.
import { counted, durationText, whole } from './quality-times.ts';
import type { Check, Finding } from './quality.ts';
import { hampelDeviations, median, quantile, robustScale } from './robust.ts';

/** Rooms and weather on Earth, with some to spare, per unit. */
const plausible: Readonly<Record<string, readonly [low: number, high: number]>> = {
  '°C': [-70, 80],
  '°F': [-95, 175],
  K: [200, 355],
};
/** What a DS18B20 says when it has just been powered or is not there (data sheet: power-on value; driver convention), °C. */
const sentinels = [85, -127];

/** How each property of the values is checked. */
export const valueChecks = {
  outliers: (facts) => {
    const { times, values, resolution } = facts;
    if (values.length < 30) return undefined;
    const deviations = hampelDeviations(values, 5);
    const levelLimit = Math.max(10 * robustScale(deviations), 8 * resolution, 4 * robustScale(differences(values)));
    const marks = spikes(values, spikeLimit(values, resolution));
    const odd = times.filter((_, i) => marks[i] === 1 && Math.abs(deviations[i]!) > levelLimit);
    if (odd.length === 0) return undefined;
    const share = odd.length / values.length;
    const found = `${counted(odd.length, 'reading lies far from its', 'readings lie far from their')} neighbours`;
    return at('outlier', share > 0.05 ? 'error' : share > 0.001 ? 'warning' : 'info', { times: odd, message: found });
  },

  plausibility: (facts) => {
    const { times, values, options } = facts;
    if (options.quantity !== 'temperature') return undefined;
    const said = options.unit ?? '';
    const unit = said !== '' && fits(values, said) ? said : likelyUnit(values);
    const [low, high] = plausible[unit] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const odd = times.filter(
      (_, i) => values[i]! < low || values[i]! > high || (unit === '°C' && sentinels.includes(values[i]!)),
    );
    if (odd.length === 0) return undefined;
    return at('implausible', odd.length > 0.05 * values.length ? 'error' : 'warning', {
      times: odd,
      message: `${counted(odd.length, 'reading is', 'readings are')} outside of ${low} … ${high} ${unit} or a DS18B20's fault value (85, −127 °C)`,
    });
  },

  stuck: (facts) => {
    const { times, values } = facts;
    const runs = constantRuns(values);
    if (values.length < 30) return undefined;
    if (runs.length === 1) {
      return whole('constant', 'error', {
        count: values.length,
        message: `all ${values.length} readings are ${values[0]}`,
      });
    }
    const limit = longestExpectedRun(runs, values.length);
    const stuck = runs.filter(({ length }) => length > limit);
    if (stuck.length === 0) return undefined;
    const longest = stuck.reduce((a, b) => (b.length > a.length ? b : a));
    const last = stuck[stuck.length - 1]!;
    const still = last.from + last.length === values.length ? ', and it still is' : '';
    const duration = durationText(times[longest.from + longest.length - 1]! - times[longest.from]!);
    return {
      code: 'stuck',
      severity: longest.length > 0.5 * values.length ? 'error' : 'warning',
      count: stuck.length,
      firstTime: times[stuck[0]!.from],
      lastTime: times[last.from + last.length - 1],
      message: `the value did not move ${stuck.length === 1 ? 'once' : `${stuck.length} times`} for longer than usual, at most ${duration} at ${values[longest.from]}${still}`,
    };
  },

  unit: ({ values, options }) => {
    if (options.quantity !== 'temperature' || values.length < 30) return undefined;
    const likely = likelyUnit(values);
    const said = options.unit ?? '';
    if (said === likely || (said !== '' && fits(values, said))) return undefined;
    const centre = Number(median(values.slice().sort()).toFixed(1));
    if (said === '') {
      const message = `no unit is given; a median of ${centre} looks like ${likely}`;
      return whole('unit-suspicion', 'info', { count: values.length, message });
    }
    return whole('unit-suspicion', 'warning', {
      count: values.length,
      message: `the values are said to be ${said}, but a median of ${centre} looks like ${likely}`,
    });
  },

  unitChange: ({ times, values, options }) => {
    if (options.quantity !== 'temperature') return undefined;
    const usual = 10 * robustScale(differences(values));
    const isJump = (i: number): boolean =>
      i > 0 && Math.abs(values[i]! - values[i - 1]!) > usual && isUnitJump(values[i - 1]!, values[i]!);
    const jumps = times.filter((_, i) => isJump(i));
    if (jumps.length === 0) return undefined;
    return at('unit-change', 'warning', {
      times: jumps,
      message: `the values jump ${jumps.length === 1 ? 'once' : `${jumps.length} times`} exactly as a change between °C, °F and K would`,
    });
  },
} as const satisfies Record<string, Check>;

function at(
  code: Finding['code'],
  severity: Finding['severity'],
  { times, message }: { readonly times: Float64Array; readonly message: string },
): Finding {
  return { code, severity, count: times.length, firstTime: times[0], lastTime: times[times.length - 1], message };
}

function differences(values: Float64Array): Float64Array {
  return Float64Array.from({ length: values.length - 1 }, (_, i) => values[i + 1]! - values[i]!);
}

/** Steps between neighbours beyond which a there-and-back is a spike: ten robust deviations, and beyond nearly all other steps. */
function spikeLimit(values: Float64Array, resolution: number): number {
  const steps = differences(values).map(Math.abs).sort();
  return Math.max(10 * 1.4826 * median(steps), 3 * quantile(steps, 0.98), 4 * resolution);
}

/** Marks runs of one to three readings that the series jumps to and, by about as much, back from; a window that is opened only jumps one way. */
function spikes(values: Float64Array, limit: number): Uint8Array {
  const marks = new Uint8Array(values.length);
  for (let from = 1; from < values.length - 1; from++) {
    const there = values[from]! - values[from - 1]!;
    if (Math.abs(there) <= limit) continue;
    for (let to = from; to < Math.min(from + 3, values.length - 1); to++) {
      const back = values[to]! - values[to + 1]!;
      if (back / there > 0.6 && back / there < 1 / 0.6 && Math.abs(back) > limit) marks.fill(1, from, to + 1);
    }
  }
  return marks;
}

interface Run {
  readonly from: number;
  readonly length: number;
}

function constantRuns(values: Float64Array): Run[] {
  const runs: Run[] = [];
  let from = 0;
  for (let i = 1; i <= values.length; i++) {
    if (i < values.length && values[i] === values[from]) continue;
    runs.push({ from, length: i - from });
    from = i;
  }
  return runs;
}

/**
 * The run length that chance should not exceed: were every repeat a toss of the same coin, one such run in a thousand series; and, as real
 * nights are calmer than days, eight times what all but one run in a hundred reach.
 */
function longestExpectedRun(runs: readonly Run[], readings: number): number {
  const repeats = Math.min(0.999, 1 - runs.length / readings);
  const byChance = repeats > 0 ? Math.log(readings / 1e-3) / -Math.log(repeats) : 0;
  const lengths = Float64Array.from(runs, ({ length }) => length).sort();
  return Math.max(12, byChance, 8 * quantile(lengths, 0.99));
}

/** The unit in which these would be the temperatures of rooms or weather. */
function likelyUnit(values: Float64Array): string {
  const centre = median(values.slice().sort());
  if (centre > 200) return 'K';
  return centre > 45 ? '°F' : '°C';
}

/** Whether values are believable in a unit: cold rooms in °F look like °C, so only what is clearly off counts. */
function fits(values: Float64Array, unit: string): boolean {
  const sorted = values.slice().sort();
  const [low, high] = [quantile(sorted, 0.05), quantile(sorted, 0.95)];
  if (unit === '°C') return median(sorted) <= 45;
  if (unit === '°F') return median(sorted) <= 200 && (median(sorted) > 45 || high - low > 12 || low < 8);
  return unit === 'K' ? low > 200 : true;
}

function isUnitJump(before: number, after: number): boolean {
  if (Math.abs(after - before) < 15) return false;
  const near = (a: number, b: number): boolean => Math.abs(a - b) < 1;
  return (
    near(after, 1.8 * before + 32) ||
    near(before, 1.8 * after + 32) ||
    near(after, before + 273.15) ||
    near(before, after + 273.15)
  );
}
