// Sizes and channels of pictures. Shrinking averages (Lanczos), so that nothing flickers.
import type { Sharp } from 'sharp';
import { loadSharp } from './library.ts';
import { checkPicture, checkSize, type Picture, type Size } from './picture.ts';

/** `fill` stretches; `cover` cuts off what is too much; `contain` puts black around. */
export type Fit = 'fill' | 'cover' | 'contain';

/** What to make of a picture. */
export interface ResizeOptions {
  /** @default its own size */
  readonly size?: Size;
  /** @default 'fill' */
  readonly fit?: Fit;
  /** @default its own */
  readonly channels?: 1 | 3;
}

/** The picture in another size or with other channels. @throws INVALID_ARGUMENT; UNAVAILABLE without the library. */
export async function resizePicture(picture: Picture, options: ResizeOptions): Promise<Picture> {
  checkPicture(picture);
  if (options.size !== undefined) checkSize(options.size);
  return await resized(picture, options);
}

/** The same for a picture or for a file that the library has opened. */
export async function resized(source: Picture | Sharp, options: ResizeOptions): Promise<Picture> {
  const { size, fit = 'fill', channels } = options;
  let image = 'data' in source ? await opened(source) : source;
  image = image.flatten({ background: '#ffffff' });
  if (size !== undefined) image = image.resize({ ...size, fit, background: '#000000' });
  const own = channels ?? ('data' in source ? source.channels : await channelsOf(source));
  image = image.toColourspace(own === 1 ? 'b-w' : 'srgb');
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { width, height, channels: own, data: new Uint8Array(data.buffer, data.byteOffset, width * height * own) };
}

async function opened({ width, height, channels, data }: Picture): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels } });
}

/** Grey files stay grey. */
async function channelsOf(image: Sharp): Promise<1 | 3> {
  const { space } = await image.metadata();
  return space === 'b-w' || space === 'grey16' ? 1 : 3;
}
