// What a release says of itself: the signed manifest of a bundle.
import { sha256, type Digest } from '@sanderling/kit';
import type { Target } from './target.ts';

/** One file of a bundle. */
export interface ReleaseFile {
  /** Flat name inside the bundle, such as `model.onnx`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: Digest;
}

/** How readings become the model's input. The same numbers that training used; shapes in `packages/series`. */
export type PreprocessingJson = Readonly<Record<string, unknown>>;

/** One self-test: encoded input rows × features (row-major, normalised) and the forecast (normalised, horizon values) that the hub computed for it. */
export interface SelfTestCase {
  readonly input: readonly number[];
  readonly expected: readonly number[];
}

/** When a new release counts as good: the device watches these after switching and returns to the previous release when they fail. */
export interface Probation {
  /** Forecasts to make. */
  readonly predictions: number;
  /** Longest probation, minutes of the device's clock; it ends earlier when the predictions are made. */
  readonly minutes: number;
  /** The rolling error may be at most this many times the error on the test part. */
  readonly maxErrorRatio: number;
}

/** Where a release comes from: every arrow back to the data. */
export interface Provenance {
  readonly dataset: Digest;
  readonly run: string;
  readonly execution: string;
  readonly codeVersion: string;
  /** Test metrics of the version, in the unit of the data. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A model image in the bundle: code and constants for one slot of one board (layout in packages/micro, `image`). */
export interface ReleaseImage {
  /** Name of the file in the bundle. */
  readonly file: string;
  readonly board: 'm7' | 'm4';
  /** The address that it is linked for. */
  readonly slotAddress: number;
  /** The same as the release's. */
  readonly sequence: number;
  /** What the image's header, and so the device, calls the release: {@link imageRelease}. */
  readonly release: string;
}

/** What a release costs on a microcontroller, measured on an emulated board; not on silicon. Bytes. */
export interface DeviceCost {
  readonly board: 'm7' | 'm4';
  /** Instructions of one run of the model, from call to return. */
  readonly instructions: number;
  /** The part's clock. */
  readonly megahertz: number;
  /** Working memory of model, window and monitor. */
  readonly memoryBytes: number;
  /** Largest stack of a run of the model. */
  readonly stackBytes: number;
  /** The larger of the images. */
  readonly imageBytes: number;
  /** Weights and tables among that. */
  readonly constantBytes: number;
  readonly multiplyAccumulates: number;
  /** Largest difference between the board's forecasts of the self-test cases and the hub's, normalised. */
  readonly difference: number;
}

/** The signed part of a bundle. Its SHA-256 is the release's address. */
export interface ReleaseManifest {
  readonly format: 'sanderling-release/1';
  readonly project: string;
  /** Version number in the registry. */
  readonly version: number;
  readonly target: Target;
  /** Grows with every release of a project: a device refuses a lower one unless the hub signed the step back. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly files: readonly ReleaseFile[];
  readonly model: { readonly file: string; readonly input: string; readonly output: string };
  readonly preprocessing: PreprocessingJson;
  /** Settings of the drift detector on the device; shape in `packages/drift` (ResidualMonitor). */
  readonly drift: Readonly<Record<string, unknown>>;
  readonly selfTest: {
    readonly cases: readonly SelfTestCase[] /** Largest absolute difference allowed, normalised units. */;
    readonly tolerance: number;
  };
  readonly probation: Probation;
  readonly provenance: Provenance;
  /** Releases for microcontrollers only: one image for each slot of the part, and of the emulated board. */
  readonly images?: readonly ReleaseImage[];
  /** Releases for microcontrollers only. */
  readonly cost?: DeviceCost;
}

/**
 * What an image says of the release that it belongs to: the release's address is not known before its images are, so it cannot be that. SHA-256 of project,
 * version and target, 64 hexadecimal digits; within a hub it stands for one release.
 */
export function imageRelease(release: Pick<ReleaseManifest, 'project' | 'version' | 'target'>): string {
  return sha256(`sanderling-image\n${release.project}\n${release.version}\n${release.target}`);
}
