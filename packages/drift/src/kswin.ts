// KSWIN: Kolmogorov–Smirnov windowing. C. Raab, M. Heusinger, F.-M. Schleif, “Reactive soft prototype computing for concept drift
// streams”, Neurocomputing 416 (2020).
//
// The newest `statSize` samples of a window are compared with as many drawn at random from the older ones; alarm when the exact
// two-sample p-value is at most α and the distance above `minDistance`. After an alarm the newest `statSize` samples stay.
// The draw is seeded: same samples, same options, same alarms.
import { createRandom, Random } from '@sanderling/kit';
import { ScalarDetector, type MemoryReader, type Plain } from './detector.ts';
import { ksDistance, ksEqualSizes } from './kolmogorov.ts';
import { requireThat, resolveOptions, type OptionRules } from './options.ts';

export interface KswinOptions {
  readonly alpha: number;
  readonly windowSize: number;
  readonly statSize: number;
  readonly minDistance: number;
  readonly seed: number;
}

export const kswinRules: OptionRules<KswinOptions> = {
  alpha: {
    default: 0.005,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of a false alarm at one sample',
    search: { low: 1e-6, high: 0.05, log: true },
  },
  windowSize: {
    default: 100,
    min: 4,
    max: 100_000,
    whole: true,
    about: 'samples kept',
    search: { low: 50, high: 1000, log: true },
  },
  statSize: {
    default: 30,
    min: 2,
    max: 50_000,
    whole: true,
    about: 'newest samples that are compared; at most half the window',
    search: { low: 10, high: 500, log: true },
  },
  minDistance: { default: 0.1, min: 0, max: 1, about: 'distance that is never an alarm, 0…1' },
  seed: { default: 1, min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, about: 'seed of the draw' },
};

export class Kswin extends ScalarDetector<KswinOptions> {
  readonly name = 'kswin';
  readonly maxBytes: number;
  /** Steps of 1/statSize from which the distance is an alarm. */
  readonly #critical: number;
  readonly #window: Float64Array;
  #held = 0;
  readonly #order: Uint32Array;
  readonly #older: Float64Array;
  readonly #newer: Float64Array;
  #random: Random;

  /** @throws INVALID_CONFIG, also when statSize is more than half of windowSize or α so small that no distance could pass. */
  constructor(options?: Partial<KswinOptions>) {
    super(resolveOptions(kswinRules, options, 'kswin'));
    const { windowSize, statSize } = this.options;
    requireThat(2 * statSize <= windowSize, 'kswin.statSize', 'statSize is more than half of windowSize');
    this.#critical = criticalSteps(this.options);
    requireThat(
      this.#critical <= statSize,
      'kswin.alpha',
      `no ${statSize} samples can reach this alpha; raise statSize or alpha`,
    );
    this.#window = new Float64Array(windowSize);
    this.#order = Uint32Array.from({ length: windowSize - statSize }, (_, i) => i);
    this.#older = new Float64Array(statSize);
    this.#newer = new Float64Array(statSize);
    this.#random = createRandom(this.options.seed, 'kswin');
    this.maxBytes = windowSize * 8 + (windowSize - statSize) * 4 + statSize * 16 + 6 * 8;
  }

  protected override restart(): void {
    const { windowSize, statSize } = this.options;
    this.#window.copyWithin(0, windowSize - statSize, windowSize);
    this.#held = statSize;
    this.ratio = 0;
  }

  protected accept(x: number): void {
    if (this.#held === this.#window.length) this.#window.copyWithin(0, 1);
    else this.#held += 1;
    this.#window[this.#held - 1] = x;
    if (this.#held < this.#window.length) return;
    this.judge((this.#distance() * this.options.statSize + 1e-9) / this.#critical);
  }

  #distance(): number {
    const { statSize } = this.options;
    const from = this.#window.length - statSize;
    for (let i = 0; i < statSize; i++) {
      const j = i + (this.#random.uint32() % (from - i));
      const drawn = this.#order[j] as number;
      this.#order[j] = this.#order[i] as number;
      this.#order[i] = drawn;
      this.#older[i] = this.#window[drawn] as number;
    }
    this.#newer.set(this.#window.subarray(from));
    return ksDistance(this.#older.sort(), this.#newer.sort());
  }

  protected clear(): void {
    this.#held = 0;
    this.#order.forEach((_, i, order) => {
      order[i] = i;
    });
    this.#random = createRandom(this.options.seed, 'kswin');
  }

  protected memory(): Record<string, Plain> {
    return {
      window: [...this.#window.subarray(0, this.#held)],
      order: [...this.#order],
      random: [...this.#random.state()],
    };
  }

  protected recall(memory: MemoryReader): void {
    const window = memory.list('window', this.#window.length);
    const order = memory.list('order', this.#order.length);
    const random = memory.list('random', 4);
    memory.require(new Set(order).size === this.#order.length, 'order is not a permutation');
    memory.require(
      order.every((i) => Number.isInteger(i) && i >= 0 && i < this.#order.length),
      'order is not a permutation',
    );
    memory.require(random.length === 4 && random.every((word) => word >>> 0 === word), 'random is not four words');
    this.#window.set(window);
    this.#held = window.length;
    this.#order.set(order);
    this.#random = new Random(random as unknown as [number, number, number, number]);
  }
}

/** Smallest step count h with P(distance ≥ h/n) ≤ α and h/n above the least distance. */
function criticalSteps({ alpha, statSize, minDistance }: KswinOptions): number {
  let steps = Math.floor(minDistance * statSize + 1e-9) + 1;
  while (steps <= statSize && ksEqualSizes(statSize, steps) > alpha) steps += 1;
  return steps;
}
