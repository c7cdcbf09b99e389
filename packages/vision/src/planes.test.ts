import { describe, expect, test } from 'vitest';
import type { Picture } from './picture.ts';
import { normalised, pictureOf, planesOf, stacked } from './planes.ts';
import { resizePicture } from './resize.ts';

const picture: Picture = { width: 2, height: 1, channels: 3, data: Uint8Array.of(0, 51, 255, 102, 153, 204) };

describe('planes', () => {
  test('interleaved bytes become planes 0 … 1, and bytes again', () => {
    const planes = planesOf(picture);
    expect(Array.from(planes.data, (x) => Math.round(x * 5) / 5)).toEqual([0, 0.4, 0.2, 0.6, 1, 0.8]);
    expect(pictureOf(planes)).toEqual(picture);
    expect(pictureOf({ ...planes, data: planes.data.map((x) => x * 9 - 1) }).data[0]).toBe(0);
  });

  test('normalised by its own mean and spread, or by a scale a channel', () => {
    const { data } = normalised(planesOf(picture));
    expect(data.reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 5);
    expect(data.reduce((sum, x) => sum + x * x, 0) / 6).toBeCloseTo(1, 5);
    const scaled = normalised(planesOf(picture), { mean: [0, 0.2, 1], spread: [1, 2, 0.5] });
    expect(Array.from(scaled.data, (x) => Math.round(x * 100) / 100)).toEqual([0, 0.4, 0, 0.2, 0, -0.4]);
    const flat = { width: 2, height: 1, channels: 1, data: Float32Array.of(3, 3) };
    expect(Array.from(normalised(flat).data)).toEqual([0, 0]);
    expect(() => normalised(flat, { mean: [0, 0], spread: [1, 1] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('a batch of one size; nothing else', () => {
    const planes = planesOf(picture);
    const { dims, data } = stacked([planes, planes]);
    expect(dims).toEqual([2, 3, 1, 2]);
    expect(data.subarray(6)).toEqual(planes.data);
    expect(() => stacked([])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => stacked([planes, { ...planes, width: 1, height: 2 }])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', where: 'pictures[1]' }),
    );
  });

  test('refuses bytes that do not fit, and two channels as a picture', async () => {
    const wrong = { ...picture, width: 3 };
    expect(() => planesOf(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    await expect(resizePicture(wrong, {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(() => pictureOf({ width: 1, height: 1, channels: 2, data: new Float32Array(2) })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('cover cuts the middle out', async () => {
    const wide: Picture = { width: 6, height: 2, channels: 1, data: Uint8Array.of(0, 0, 9, 9, 0, 0, 0, 0, 9, 9, 0, 0) };
    const cut = await resizePicture(wide, { size: { width: 2, height: 2 }, fit: 'cover' });
    expect(cut).toEqual({ width: 2, height: 2, channels: 1, data: Uint8Array.of(9, 9, 9, 9) });
  });
});
