// Warps against SciPy (fixtures/make.py), and what random changes promise.
import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { augmented, warped, type Warp } from './augment.ts';
import type { Planes } from './planes.ts';

const fixture = JSON.parse(readFileSync(new URL('fixtures/warps.json', import.meta.url), 'utf8')) as {
  readonly width: number;
  readonly height: number;
  readonly picture: readonly number[];
  readonly warps: readonly { readonly warp: Warp; readonly want: readonly number[] }[];
};
const { width, height } = fixture;
const picture: Planes = { width, height, channels: 1, data: Float32Array.from(fixture.picture) };

const square: Planes = {
  width: 4,
  height: 4,
  channels: 2,
  data: Float32Array.from({ length: 32 }, (_, i) => (i * 7) % 13),
};
const at = ({ data, width: w, height: h }: Planes, [c, y, x]: readonly [number, number, number]) =>
  data[(c * h + y) * w + x] as number;

describe('warped', () => {
  test.each(fixture.warps.map(({ warp, want }) => [JSON.stringify(warp), warp, want] as const))(
    '%s as SciPy',
    (_, warp, want) => {
      const { data } = warped(picture, warp);
      expect(Math.max(...want.map((number, i) => Math.abs(number - (data[i] as number))))).toBeLessThan(1e-5);
    },
  );

  test('a quarter turn clockwise, a mirror image and whole steps move pixels exactly, in every channel', () => {
    const turned = warped(square, { rotate: Math.PI / 2 });
    const mirrored = warped(square, { mirror: true });
    const moved = warped(square, { shiftX: 0.25, shiftY: -0.25 });
    for (const c of [0, 1])
      for (const y of [0, 1, 2])
        for (const x of [1, 2, 3]) {
          expect(at(turned, [c, y, x])).toBeCloseTo(at(square, [c, 3 - x, y]), 5);
          expect(at(mirrored, [c, y, x])).toBe(at(square, [c, y, 3 - x]));
          expect(at(moved, [c, y, x])).toBe(at(square, [c, y + 1, x - 1]));
        }
    expect(warped(square, {}).data).toEqual(square.data);
  });

  test.each([{ zoom: 0 }, { zoom: -1 }, { rotate: Number.NaN }])('refuses %o', (warp) => {
    expect(() => warped(square, warp)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('augmented', () => {
  const changes = { rotate: 0.3, zoom: 0.2, shear: 0.1, shift: 0.1, mirror: true, contrast: 0.2, brightness: 0.1 };

  test('one seed, one picture; another seed, another', () => {
    const of = (seed: number) => augmented(picture, changes, createRandom(seed)).data;
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });

  test('no changes, no change; and the generator goes on as with any changes', () => {
    const [a, b] = [createRandom(5), createRandom(5)];
    expect(augmented(picture, {}, a).data).toEqual(picture.data);
    augmented(picture, changes, b);
    expect(a.state()).toEqual(b.state());
  });

  test('changes stay within their limits', () => {
    const random = createRandom(3);
    const flat: Planes = { width: 3, height: 3, channels: 1, data: new Float32Array(9).fill(0.5) };
    const seen = Array.from({ length: 200 }, () => augmented(flat, { brightness: 0.2 }, random).data[4] as number);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(0.299);
    expect(Math.max(...seen)).toBeLessThanOrEqual(0.701);
    expect(Math.max(...seen) - Math.min(...seen)).toBeGreaterThan(0.3);
  });
});
