// The picture library (sharp, on libvips): loaded on first use, one thread, no cache, and only the loaders that we name.
import { SanderlingError } from '@sanderling/kit';

type Sharp = typeof import('sharp')['default'];
let loading: Promise<Sharp> | undefined;

/** libvips has loaders for dozens of formats (SVG, PDF, ImageMagick's …): what is not needed is not offered to strangers' files. */
const loaders = ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp'];

/** @throws UNAVAILABLE where the library does not load. */
export function loadSharp(): Promise<Sharp> {
  loading ??= import('sharp').then(
    ({ default: sharp }) => {
      sharp.block({ operation: ['VipsForeignLoad'] });
      sharp.unblock({ operation: loaders });
      sharp.cache(false);
      sharp.concurrency(1);
      return sharp;
    },
    (cause: unknown) => {
      loading = undefined;
      throw new SanderlingError('UNAVAILABLE', 'the picture library sharp cannot be loaded on this machine', {
        cause,
        fix: 'install sharp with its optional package for this platform; PGM and PPM need no library',
      });
    },
  );
  return loading;
}
