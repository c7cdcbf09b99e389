// What is asked of the generator of detectors, and what it gives.
import type { DetectorName } from '@sanderling/drift';

/** A scalar detector to write. */
export interface ScalarRequest {
  readonly detector: DetectorName;
  /** The detector's own settings, as in packages/drift. @default its defaults */
  readonly options?: Readonly<Record<string, number>>;
  /** Prefix of all names in the C code and name of the files: a C identifier. @default 'detector' */
  readonly name?: string;
  /**
   * Rows of ADWIN's buckets, 4…40. The window holds up to maxBuckets · 2^rows samples and then forgets its oldest bucket;
   * until then the decisions do not depend on it. @default 40, as in packages/drift
   */
  readonly rows?: number;
}

/** A detector on feature vectors to write. */
export interface VectorRequest {
  readonly detector: 'lsdd' | 'mmd' | 'spll';
  /** Vectors as they are without drift, at least `referenceSize`: the reference is made of them here. */
  readonly reference: readonly ArrayLike<number>[];
  /** The detector's own settings, as in packages/drift; `refit` and `symmetric` are 0, as a device keeps the reference that it was given. */
  readonly options?: Readonly<Record<string, number>>;
  /** As for a scalar detector. @default 'detector' */
  readonly name?: string;
}

/** How to call a detector: `NAME_reset(&state)`, `NAME_update(&state, sample)`, `NAME_evidence(&state)`. */
export interface DetectorFace {
  readonly prefix: string;
  readonly detector: string;
  /** What a sample may be; anything else is refused and changes nothing. `vector`: `dimensions` finite features. */
  readonly input: 'real' | 'unit' | 'binary' | 'vector';
  readonly dimensions: number;
}

/** What it costs; bytes. `libm`: functions of libm whose rounding the evidence depends on, '' if none. */
export interface DetectorReport {
  readonly name: string;
  readonly detector: string;
  readonly stateBytes: number;
  readonly constantBytes: number;
  readonly libm: string;
}

/** A detector in C. `files`: text by file name, NAME.h and NAME.c. */
export interface GeneratedDetector {
  readonly files: Readonly<Record<string, string>>;
  readonly face: DetectorFace;
  readonly report: DetectorReport;
}
