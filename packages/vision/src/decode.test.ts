// Files built byte by byte must decode to what was put in; files of strangers must end in a picture or in a coded error.
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodePicture, pictureHeader } from './decode.ts';
import { encodePicture } from './encode.ts';
import { flatJpeg, pngFile } from './fixtures/files.ts';
import type { Picture } from './picture.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vision-'));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = (count: number, step = 37): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * step) % 256);
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const grey = pngFile({ width: 5, height: 4, colour: 0, samples: bytes(20) });
const colour = pngFile({ width: 5, height: 4, colour: 2, samples: bytes(60) });

describe('decodePicture', () => {
  test('PNG, grey and colour, byte for byte', async () => {
    expect(await decodePicture(grey)).toEqual({ width: 5, height: 4, channels: 1, data: bytes(20) });
    expect(await decodePicture(colour)).toEqual({ width: 5, height: 4, channels: 3, data: bytes(60) });
  });

  test('PNG of sixteen bits comes in eight; what is transparent lies on white', async () => {
    const wide = pngFile({ width: 2, height: 1, colour: 0, depth: 16, samples: Uint8Array.of(0, 0, 255, 255) });
    expect(Array.from((await decodePicture(wide)).data)).toEqual([0, 255]);
    const alpha = pngFile({ width: 2, height: 1, colour: 6, samples: Uint8Array.of(9, 8, 7, 255, 9, 8, 7, 0) });
    expect(Array.from((await decodePicture(alpha)).data)).toEqual([9, 8, 7, 255, 255, 255]);
  });

  test('JPEG: flat blocks have the level that their coefficient says', async () => {
    const levels = [128, 0, 255, 77, 78, 200];
    const picture = await decodePicture(flatJpeg(levels));
    expect([picture.width, picture.height, picture.channels]).toEqual([48, 8, 1]);
    const want = Array.from({ length: 48 * 8 }, (_, i) => levels[Math.floor((i % 48) / 8)]);
    expect(Array.from(picture.data)).toEqual(want);
  });

  test('JPEG that says how it was held comes upright', async () => {
    const turned = flatJpeg([10, 200], 6);
    expect(await pictureHeader(turned)).toEqual({ format: 'jpeg', width: 8, height: 16 });
    const picture = await decodePicture(turned);
    expect([picture.width, picture.height, picture.data[0], picture.data[8 * 16 - 1]]).toEqual([8, 16, 10, 200]);
  });

  test('WebP without loss, byte for byte', async () => {
    const { default: sharp } = await import('sharp');
    const raw = { raw: { width: 5, height: 4, channels: 3 as const } };
    const file = await sharp(bytes(60), raw).webp({ lossless: true }).toBuffer();
    expect(await decodePicture(file)).toEqual({ width: 5, height: 4, channels: 3, data: bytes(60) });
  });

  test('PGM and PPM, binary and text, comments, other maxima', async () => {
    const two = [
      ['P5 2 1 255\n\x07\xf0', 1, [7, 240]],
      ['P5\n# made by hand\n2 1\n# again\n100\n\x00\x64', 1, [0, 255]],
      ['P5 2 1 65535\n\x00\x00\xff\xff', 1, [0, 255]],
      ['P2 2 1 255 7 240', 1, [7, 240]],
      ['P6 1 1 255\n\x01\x02\x03', 3, [1, 2, 3]],
      ['P3 1 1 15\n0 15 5 ', 3, [0, 255, 85]],
    ] as const;
    for (const [text, channels, want] of two) {
      const picture = await decodePicture(ascii(text));
      expect([picture.channels, Array.from(picture.data)]).toEqual([channels, want]);
    }
  });

  test('channels and size as asked; the mean of what is shrunk stays', async () => {
    const grown = await decodePicture(grey, { channels: 3, size: { width: 10, height: 10 } });
    expect([grown.width, grown.height, grown.channels, grown.data.length]).toEqual([10, 10, 3, 300]);
    const flat = await decodePicture(flatJpeg([90, 90]), { size: { width: 3, height: 2 } });
    expect(new Set(flat.data)).toEqual(new Set([90]));
    const halves = await decodePicture(ascii(`P5 4 2 255\n\x00\x00\xff\xff\x00\x00\xff\xff`), {
      size: { width: 2, height: 2 },
      channels: 1,
    });
    expect(halves.data[0]).toBeLessThan(30);
    expect(halves.data[1]).toBeGreaterThan(225);
    const asGrey = await decodePicture(ascii('P6 1 1 255\n\x50\x50\x50'), { channels: 1 });
    expect(asGrey).toEqual({ width: 1, height: 1, channels: 1, data: Uint8Array.of(0x50) });
    const boxed = await decodePicture(flatJpeg([255, 255]), { size: { width: 8, height: 8 }, fit: 'contain' });
    expect([boxed.data[0], boxed.data[4 * 8 + 4]]).toEqual([0, 255]);
  });

  test('what is encoded as PNG comes back; JPEG comes near', async () => {
    for (const channels of [1, 3] as const) {
      const picture: Picture = { width: 16, height: 16, channels, data: bytes(256 * channels, 1).map((x) => x / 2) };
      expect(await decodePicture(await encodePicture(picture))).toEqual(picture);
      const near = await decodePicture(
        await encodePicture({ ...picture, data: picture.data.fill(99) }, { format: 'jpeg' }),
      );
      expect(Math.max(...near.data.map((x) => Math.abs(x - 99)))).toBeLessThan(3);
    }
    await expect(encodePicture({ width: 2, height: 2, channels: 1, data: bytes(3) })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('files by path, and what is wrong with them', async () => {
    const path = join(folder, 'grey.png');
    await writeFile(path, grey);
    expect(await pictureHeader(path)).toEqual({ format: 'png', width: 5, height: 4 });
    expect((await decodePicture(path)).data).toEqual(bytes(20));
    await expect(decodePicture(join(folder, 'none.png'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(decodePicture(folder)).rejects.toBeInstanceOf(SanderlingError);
    const large = join(folder, 'large.jpg');
    await writeFile(large, flatJpeg([1]));
    await truncate(large, 2 ** 31);
    await expect(decodePicture(large)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(decodePicture(grey, { size: { width: 0, height: 3 } })).rejects.toMatchObject({ where: 'width' });
  });
});

describe('hostile files', () => {
  test.each([
    ['nothing', Buffer.alloc(0), 'INVALID_DATA'],
    ['text', ascii('these are words'), 'INVALID_DATA'],
    [
      'SVG, which the library could draw',
      ascii('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      'INVALID_DATA',
    ],
    ['a JPEG that ends', flatJpeg([1, 2, 3]).subarray(0, 40), 'CORRUPT'],
    ['a PNG that ends', grey.subarray(0, 45), 'CORRUPT'],
    ['a PGM that ends', ascii('P5 100 100 255\nabc'), 'CORRUPT'],
    ['a PGM of many pixels', ascii('P5 2000000000 2000000000 255\n'), 'TOO_LARGE'],
    ['a PGM of endless numbers', ascii(`P5 ${'9'.repeat(5000)} 1 255\n`), 'CORRUPT'],
    ['a PGM with samples above its maximum', ascii('P2 1 1 3 9'), 'CORRUPT'],
    ['a PGM without pixels', ascii('P5 0 4 255\n'), 'CORRUPT'],
  ])('%s', async (_, file, code) => {
    await expect(decodePicture(file)).rejects.toMatchObject({ code });
  });

  test('dimensions beyond the limit are refused before anything is decoded', async () => {
    const claims = pngFile({ width: 30_000, height: 30_000, colour: 2, samples: new Uint8Array() });
    const before = process.memoryUsage.rss();
    await expect(decodePicture(claims)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(pictureHeader(claims)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    const valid = pngFile({ width: 6000, height: 1, colour: 0, samples: new Uint8Array(6000) });
    await expect(decodePicture(valid, { maximumPixels: 5999 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(process.memoryUsage.rss() - before).toBeLessThan(100e6);
  });

  test('a large picture brought to a small size takes little memory', async () => {
    const file = pngFile({ width: 7000, height: 7000, colour: 0, samples: new Uint8Array(49_000_000).fill(60) });
    const before = process.memoryUsage.rss();
    const small = await decodePicture(file, { size: { width: 16, height: 16 } });
    expect(new Set(small.data)).toEqual(new Set([60]));
    expect(process.memoryUsage.rss() - before).toBeLessThan(150e6);
  }, 30_000);

  test('any damage ends in a picture or in a coded error', async () => {
    const photo = await encodePicture(
      { width: 40, height: 30, channels: 3, data: bytes(3600, 91) },
      { format: 'jpeg', quality: 60 },
    );
    const good = [
      grey,
      colour,
      flatJpeg([3, 200, 90]),
      Buffer.from(photo),
      ascii('P5 4 4 255\n0123456789abcdef'),
      ascii('P3 1 2 9 1 2 3 4 5 6'),
    ];
    const codes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...good),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.option(fc.nat()),
        async (file, changes, cut) => {
          const bad = Buffer.from(cut === null ? file : file.subarray(0, cut % file.length));
          for (const [at, byte] of changes) if (bad.length > 0) bad[at % bad.length] = byte;
          try {
            const { width, height, channels, data } = await decodePicture(bad, { maximumPixels: 1e6 });
            expect(data.length).toBe(width * height * channels);
          } catch (error) {
            expect(error).toBeInstanceOf(SanderlingError);
            codes.add((error as SanderlingError).code);
          }
        },
      ),
      { numRuns: 1500 },
    );
    expect([...codes].filter((code) => !['CORRUPT', 'TOO_LARGE', 'INVALID_DATA'].includes(code))).toEqual([]);
    expect(codes).toContain('CORRUPT');
  }, 60_000);
});
