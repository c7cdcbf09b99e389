// Pictures as networks take them: float32 planes, channel by channel, and many of them as one tensor.
import { SanderlingError } from '@sanderling/kit';
import { checkPicture, type Picture } from './picture.ts';

/** A picture as numbers: row-major channels × height × width. */
export interface Planes {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** The picture's bytes as numbers 0 … 1. */
export function planesOf(picture: Picture): Planes {
  checkPicture(picture);
  const { width, height, channels, data: bytes } = picture;
  const area = width * height;
  const data = new Float32Array(area * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let i = 0; i < area; i += 1) data[channel * area + i] = (bytes[i * channels + channel] as number) / 255;
  }
  return { width, height, channels, data };
}

/** Numbers 0 … 1 as bytes; what lies outside is cut off. @throws INVALID_ARGUMENT for other than one or three channels. */
export function pictureOf({ width, height, channels, data: numbers }: Planes): Picture {
  if (channels !== 1 && channels !== 3)
    throw new SanderlingError('INVALID_ARGUMENT', `a picture has 1 or 3 channels, not ${channels}`, {
      where: 'channels',
    });
  const area = width * height;
  const data = Uint8Array.from({ length: area * channels }, (_, i) => {
    const number = numbers[(i % channels) * area + Math.floor(i / channels)] as number;
    return Math.round(255 * Math.min(1, Math.max(0, number)));
  });
  return { width, height, channels, data };
}

/** What is taken off and divided by, a channel. */
export interface Scale {
  readonly mean: readonly number[];
  readonly spread: readonly number[];
}

/**
 * (x − mean) / spread, channel by channel; without a scale the picture's own mean and standard deviation over all channels, which takes
 * away lighting and exposure. @throws INVALID_ARGUMENT for a scale of another number of channels.
 */
export function normalised(planes: Planes, scale: Scale = ownScale(planes)): Planes {
  const { channels, data } = planes;
  if (scale.mean.length !== channels || scale.spread.length !== channels)
    throw new SanderlingError('INVALID_ARGUMENT', `the scale is not of ${channels} channels`, { where: 'scale' });
  const area = data.length / channels;
  const at = (numbers: readonly number[], i: number) => numbers[Math.floor(i / area)] as number;
  return { ...planes, data: data.map((x, i) => (x - at(scale.mean, i)) / at(scale.spread, i)) };
}

/** A flat picture has no spread: it becomes zeros. */
const leastSpread = 1e-6;

function ownScale({ channels, data }: Planes): Scale {
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  const variance = data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length;
  const each = (number: number) => Array.from({ length: channels }, () => number);
  return { mean: each(mean), spread: each(Math.max(Math.sqrt(variance), leastSpread)) };
}

/** A batch of pictures as a tensor float32 [pictures, channels, height, width]. */
export interface PictureTensor {
  readonly dtype: 'float32';
  readonly dims: readonly [pictures: number, channels: number, height: number, width: number];
  readonly data: Float32Array;
}

/** Pictures of one size as one tensor. @throws INVALID_ARGUMENT for none, or of different sizes. */
export function stacked(pictures: readonly Planes[]): PictureTensor {
  const [first] = pictures;
  if (first === undefined)
    throw new SanderlingError('INVALID_ARGUMENT', 'there are no pictures', { where: 'pictures' });
  const { channels, height, width } = first;
  const size = channels * height * width;
  const data = new Float32Array(size * pictures.length);
  pictures.forEach((one, i) => {
    if (one.channels !== channels || one.height !== height || one.width !== width) {
      const of = `${one.channels} × ${one.height} × ${one.width}`;
      throw new SanderlingError('INVALID_ARGUMENT', `picture ${i} is ${of}, not ${channels} × ${height} × ${width}`, {
        where: `pictures[${i}]`,
      });
    }
    data.set(one.data, i * size);
  });
  return { dtype: 'float32', dims: [pictures.length, channels, height, width], data };
}
