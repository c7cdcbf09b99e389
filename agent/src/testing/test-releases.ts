// Releases for tests: small real models with known behaviour, sealed with a real key.
import { GraphBuilder, encodeModel, modelOf, tensorOf } from '@sanderling/onnx';
import type { Digest } from '@sanderling/kit';
import { sha256 } from '@sanderling/kit';
import { localTarget, sealBundle, type Probation, type ReleaseManifest } from '@sanderling/wire/device';

/** What a test model does with a window. */
export type Behaviour =
  /** Forecasts the newest value for every step. */
  | 'persistence'
  /** The same, off by ten deviations. */
  | 'biased'
  /** Gives NaN as soon as the newest value is more than five deviations from the mean. */
  | 'nan-when-far'
  /** Fails in the runtime at such a value. */
  | 'throws-when-far'
  /** Always gives NaN. */
  | 'nan';

/** A release to make. */
export interface TestRelease {
  readonly behaviour?: Behaviour;
  readonly version?: number;
  readonly sequence?: number;
  readonly window?: number;
  readonly stepMs?: number;
  readonly mean?: number;
  readonly probation?: Partial<Probation>;
  /** Parts of the manifest to replace. */
  readonly manifest?: Partial<ReleaseManifest>;
  /** Added to every expected value of the self-test. */
  readonly selfTestOffset?: number;
  /** A model of one's own: ONNX from `window` (1 × window × features) to `forecast` (1 × horizon); its self-test is left to `manifest`. */
  readonly model?: Uint8Array;
  /** Bytes of padding, to make a download last. */
  readonly padding?: number;
}

/** A sealed release. */
export interface SealedRelease {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly manifest: ReleaseManifest;
}

/** Steps ahead of every test model. */
export const horizon = 3;

/** Makes and signs a release. */
export function makeRelease(options: TestRelease, privateKey: string): SealedRelease {
  const { behaviour = 'persistence', version = 1, sequence = version, window = 4 } = options;
  const model = options.model ?? makeModel(behaviour, window);
  const padding = new Uint8Array(options.padding ?? 0).fill(7);
  const files = new Map([
    ['model.onnx', model],
    ['padding.bin', padding],
  ]);
  const newest = 0.5;
  const offset = (behaviour === 'biased' ? 10 : 0) + (options.selfTestOffset ?? 0);
  const manifest: ReleaseManifest = {
    format: 'sanderling-release/1',
    project: 'test',
    version,
    target: localTarget(),
    sequence,
    createdAt: 1_700_000_000_000,
    files: [...files].map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha256(bytes) })),
    model: { file: 'model.onnx', input: 'window', output: 'forecast' },
    preprocessing: {
      version: 1,
      stepMs: options.stepMs ?? 1000,
      offsetMs: 0,
      window,
      horizon,
      features: ['value'],
      mean: options.mean ?? 20,
      std: 1,
      differenceStd: 1,
      clampSigma: 50,
      maxInterpolateSteps: 2,
      unit: '°C',
    },
    drift: { reference: { mean: 0.1, std: 0.1, n: 500, inflation: 1, peak: 1 } },
    selfTest: {
      cases: [
        {
          input: [...repeat(0, window - 1), newest],
          expected: repeat(newest + offset, horizon),
        },
      ],
      tolerance: 1e-4,
    },
    probation: { predictions: 5, minutes: 5, maxErrorRatio: 5, ...options.probation },
    provenance: {
      dataset: sha256('data'),
      run: 'run_1',
      execution: 'exe_1',
      codeVersion: 'test',
      metrics: { mae: 0.1 },
    },
    ...options.manifest,
  };
  return { ...sealBundle(manifest, files, privateKey), manifest };
}

const repeat = (value: number, length: number): number[] => Array.from({ length }, () => value);

function makeModel(behaviour: Behaviour, window: number): Uint8Array {
  const b = new GraphBuilder('test-model');
  const x = b.input('window', 'float32', [1, window, 1]);
  const flat = b.op('Reshape', [x, b.constant(tensorOf('int64', [2], [1n, BigInt(window)]))]);
  const weights = new Float32Array(window * horizon).fill(0);
  weights.fill(1, (window - 1) * horizon);
  const y = b.op('MatMul', [flat, b.constant(tensorOf('float32', [window, horizon], weights))]);
  const far = (): ReturnType<typeof b.op> => b.op('Greater', [b.op('Abs', [y]), b.scalar(5)]);
  switch (behaviour) {
    case 'persistence':
      b.output('forecast', b.op('Identity', [y]));
      break;
    case 'biased':
      b.output('forecast', b.op('Add', [y, b.scalar(10)]));
      break;
    case 'nan':
      b.output('forecast', b.op('Sqrt', [b.op('Sub', [b.op('Mul', [y, b.scalar(0)]), b.scalar(1)])]));
      break;
    case 'nan-when-far': {
      const margin = b.op('Sqrt', [b.op('Sub', [b.scalar(5), b.op('Abs', [y])])]);
      b.output('forecast', b.op('Add', [y, b.op('Mul', [margin, b.scalar(0)])]));
      break;
    }
    case 'throws-when-far': {
      const index = b.op('Mul', [b.op('Cast', [far()], { to: 7 }), b.constant(tensorOf('int64', [1], [1000n]))]);
      const table = b.constant(tensorOf('float32', [2], [0, 0]));
      b.output('forecast', b.op('Add', [y, b.op('Gather', [table, index])]));
    }
  }
  return encodeModel(modelOf(b.build()));
}
