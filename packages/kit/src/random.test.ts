import { expect, test } from 'vitest';
import { createRandom, Random } from './index.ts';

/** A reference of xoshiro128** on BigInt, written from the paper's definition (Blackman & Vigna 2018, section 3.4). */
function* reference(state: readonly number[]): Generator<number> {
  const s = state.map(BigInt);
  const mask = 0xffffffffn;
  const rotl = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
  for (;;) {
    yield Number((rotl((s[1]! * 5n) & mask, 7n) * 9n) & mask);
    const t = (s[1]! << 9n) & mask;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotl(s[3]!, 11n);
  }
}

test('the sequence is xoshiro128**', () => {
  const random = new Random([1, 2, 3, 4]);
  const expected = reference([1, 2, 3, 4]);
  // The first outputs for this state in the authors' own test vectors: 11520, 0, 5927040.
  expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([11520, 0, 5927040]);
  for (let i = 0; i < 3; i++) expected.next();
  for (let i = 0; i < 1000; i++) expect(random.uint32()).toBe(expected.next().value);
});

test('a stored state goes on where it was', () => {
  const random = createRandom(7, 'trial');
  random.next();
  const copy = new Random(JSON.parse(JSON.stringify(random.state())));
  expect([copy.next(), copy.int(1, 6), copy.normal()]).toEqual([random.next(), random.int(1, 6), random.normal()]);
});

test('labels and seeds give unrelated streams', () => {
  const first = [createRandom(1), createRandom(2), createRandom('1'), createRandom(1, 'a')].map((random) =>
    random.uint32(),
  );
  expect(new Set(first).size).toBe(4);
});

test('moments of uniform and normal numbers', () => {
  const random = createRandom(3);
  const n = 200_000;
  const mean = (draw: () => number): number => Array.from({ length: n }, draw).reduce((a, b) => a + b, 0) / n;
  expect(mean(() => random.next())).toBeCloseTo(0.5, 2);
  expect(mean(() => random.normal())).toBeCloseTo(0, 1);
  expect(mean(() => random.normal() ** 2)).toBeCloseTo(1, 1);
  const sides = new Set(Array.from({ length: 500 }, () => random.int(1, 6)));
  expect([...sides].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a shuffle keeps every item', () => {
  const items = Array.from({ length: 100 }, (_, i) => i);
  const shuffled = createRandom(5).shuffle(items);
  expect(shuffled).not.toEqual(items);
  expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
});
