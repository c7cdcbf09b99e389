// Pictures → files' bytes.
import { loadSharp } from './library.ts';
import { checkPicture, type Picture } from './picture.ts';

/** How to encode. */
export interface EncodeOptions {
  /** PNG keeps every byte; JPEG is smaller. @default 'png' */
  readonly format?: 'png' | 'jpeg';
  /** Quality of JPEG, 1 … 100. @default 90 */
  readonly quality?: number;
}

/** The bytes of a PNG or JPEG file. @throws INVALID_ARGUMENT for a picture whose bytes do not fit its size; UNAVAILABLE without the library. */
export async function encodePicture(picture: Picture, options: EncodeOptions = {}): Promise<Uint8Array> {
  checkPicture(picture);
  const { format = 'png', quality = 90 } = options;
  const { width, height, channels, data } = picture;
  const sharp = await loadSharp();
  const image = sharp(data, { raw: { width, height, channels } }).toColourspace(channels === 1 ? 'b-w' : 'srgb');
  return await (format === 'png' ? image.png() : image.jpeg({ quality })).toBuffer();
}
