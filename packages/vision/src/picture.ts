// A picture as bytes, and the checks that every maker of one shares.
import { SanderlingError } from '@sanderling/kit';

/** A decoded picture: one byte a channel, rows from the top, channels interleaved (row-major height × width × channels). */
export interface Picture {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** 1: grey; 3: red, green, blue (sRGB). */
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** @throws INVALID_ARGUMENT for a size that is not of positive whole numbers. */
export function checkSize({ width, height }: Size): void {
  for (const [where, side] of Object.entries({ width, height })) {
    if (!Number.isSafeInteger(side) || side < 1)
      throw new SanderlingError('INVALID_ARGUMENT', `${where} must be a positive whole number, not ${side}`, { where });
  }
}

/** @throws TOO_LARGE for more pixels than allowed. */
export function checkPixels({ width, height }: Size, limit: number): void {
  if (width * height <= limit) return;
  throw new SanderlingError('TOO_LARGE', `a picture of ${width} × ${height} has more than ${limit} pixels`, {
    where: 'picture',
    fix: 'make it smaller, or allow more with maximumPixels',
    details: { width, height, limit },
  });
}

/** @throws INVALID_ARGUMENT when the bytes are not width × height × channels. */
export function checkPicture({ width, height, channels, data }: Picture): void {
  checkSize({ width, height });
  if (data.length !== width * height * channels) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `${width} × ${height} × ${channels} needs ${width * height * channels} bytes, not ${data.length}`,
      { where: 'data' },
    );
  }
}
