// Seeded random numbers: xoshiro128** (Blackman & Vigna 2018), seeded by the SHA-256 of seed and label, so that any text or number is a good seed.
import { createHash } from 'node:crypto';
import { SanderlingError } from './errors.ts';

/** Four 32-bit words: plain data, may be stored and restored. */
export type RandomState = readonly [number, number, number, number];

/** A reproducible source of random numbers. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(state: RandomState) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** 32 random bits as an unsigned integer. */
  uint32(): number {
    const result = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotl(this.#d, 11);
    return result;
  }

  /** Uniform in [0, 1), 53 bits. */
  next(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Uniform whole number in [low, high], both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** Standard normal (Box–Muller; one value a call keeps the state four words). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** One of the items, all equally likely. @throws INVALID_ARGUMENT when there is none. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new SanderlingError('INVALID_ARGUMENT', 'cannot pick from nothing');
    return items[this.int(0, items.length - 1)] as T;
  }

  /** A shuffled copy (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
    }
    return copy;
  }

  /** The state, to store and to restore with `new Random(state)`. */
  state(): RandomState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }
}

/** A generator for a seed and an optional label; different labels give independent streams. */
export function createRandom(seed: number | string, label = ''): Random {
  const bytes = createHash('sha256')
    .update(`${typeof seed}:${seed}\0${label}`)
    .digest();
  return new Random([bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12) | 1]);
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
