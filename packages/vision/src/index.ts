// Pictures for networks: decoded, resized, normalised, changed at random.
export { augmented, warped, type Changes, type Warp } from './augment.ts';
export { decodePicture, pictureHeader, type DecodeOptions, type PictureFormat, type PictureHeader } from './decode.ts';
export { encodePicture, type EncodeOptions } from './encode.ts';
export type { Picture, Size } from './picture.ts';
export {
  normalised,
  pictureOf,
  planesOf,
  stacked,
  type PictureTensor,
  type Planes,
  type Scale,
} from './planes.ts';
export { resizePicture, type Fit, type ResizeOptions } from './resize.ts';
