// A release bundle from a registered version: everything that a device needs to run, watch, test and trace the model.
import type { ResidualMonitorConfig } from '@sanderling/drift';
import { sha256 } from '@sanderling/kit';
import { sealBundle, type ProjectSpec, type ReleaseManifest, type SigningKey, type Target } from '@sanderling/wire';
import type { VersionRecord } from '../models/index.ts';
import type { TaskResult } from '../workers/index.ts';
import { driftConfig } from './micro-release.ts';

/** What a bundle is made from. */
export interface BundleParts {
  readonly record: VersionRecord;
  readonly model: Uint8Array;
  readonly spec: ProjectSpec;
  readonly target: Target;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly codeVersion: string;
  /** Images and cost, for a microcontroller. */
  readonly micro?: TaskResult<'micro'> | undefined;
}

const modelFile = 'model.onnx';

/** Largest difference from the hub's forecast that a device's self-test allows, normalised units: other processors round otherwise. */
const selfTestTolerance = 1e-3;

/** The signed bundle and its address. @throws INVALID_CONFIG when the drift detector's settings are wrong */
export async function makeBundle(parts: BundleParts, key: SigningKey): ReturnType<typeof seal> {
  const { ResidualMonitor } = await import('@sanderling/drift');
  const drift = driftConfig(parts);
  void new ResidualMonitor(drift);
  return seal(parts, drift, key);
}

async function seal(
  parts: BundleParts,
  drift: ResidualMonitorConfig,
  key: SigningKey,
): Promise<ReturnType<typeof sealBundle>> {
  const { record, model, spec, target, sequence, createdAt, codeVersion } = parts;
  const images = (parts.micro?.images ?? []).map((made) => ({ file: imageName(made.image.slotAddress), ...made }));
  const files = new Map([[modelFile, model], ...images.map(({ file, bytes }) => [file, bytes] as const)]);
  const manifest: ReleaseManifest = {
    format: 'sanderling-release/1',
    project: record.project,
    version: record.version,
    target,
    sequence,
    createdAt,
    files: [...files].map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha256(bytes) })),
    model: { file: modelFile, input: 'window', output: 'forecast' },
    preprocessing: { ...record.preprocessing },
    drift: { ...drift },
    selfTest: { cases: parts.micro?.selfTest ?? record.evaluation.selfTest, tolerance: selfTestTolerance },
    probation: spec.rollout.probation,
    provenance: {
      dataset: record.dataset,
      run: record.run,
      execution: record.execution ?? '',
      codeVersion,
      metrics: record.metrics,
    },
    ...(parts.micro === undefined
      ? {}
      : { images: images.map(({ file, image }) => ({ file, ...image })), cost: parts.micro.cost }),
  };
  return sealBundle(manifest, files, key.privateKey);
}

/** The address says which slot of which flash an image is for. */
function imageName(slotAddress: number): string {
  return `image-${slotAddress.toString(16).padStart(8, '0')}.bin`;
}
