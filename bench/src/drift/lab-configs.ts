// The lab's runnable cases: a synthetic suite, and the two recorded streams of the data set drift-streams.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  detectorNames,
  vectorDetectorNames,
  type LabConfig,
  type LabDetector,
  type LabStream,
} from '@sanderling/drift';

const baselines: readonly LabDetector[] = [
  { name: 'never', baseline: 'never' },
  { name: 'oracle', baseline: 'oracle' },
  { name: 'every 200', baseline: 'every', k: 200 },
  { name: 'every 1000', baseline: 'every', k: 1000 },
];

const all: readonly LabDetector[] = [
  ...[...detectorNames, ...vectorDetectorNames].map((name) => ({ name, detector: name })),
  ...baselines,
];

const kinds = ['abrupt', 'gradual', 'incremental', 'recurring'] as const;
const length = 8000;

const labelled: readonly LabStream[] = (['sea', 'sine', 'hyperplane', 'rbf', 'stagger'] as const).map((concept) => ({
  name: `${concept} abrupt`,
  made: { concept, length, drifts: 3, features: 6, magnitude: 3 },
}));

const plain: readonly LabStream[] = [
  ...kinds.map(
    (kind): LabStream => ({ name: `mean ${kind}`, made: { concept: 'mean', kind, length, drifts: 3, features: 6 } }),
  ),
  { name: 'variance abrupt', made: { concept: 'variance', length, drifts: 3, features: 6 } },
  { name: 'correlation abrupt', made: { concept: 'correlation', length, drifts: 3, features: 6 } },
  { name: 'errors abrupt', made: { concept: 'errors', length, drifts: 3 } },
  { name: 'mean steady', made: { concept: 'mean', length, drifts: 0, features: 6 } },
  { name: 'errors steady', made: { concept: 'errors', length, drifts: 0 } },
];

/** (a) Seeded streams with known drift points. */
export const synthetic: LabConfig = {
  seeds: [1, 2, 3],
  acceptance: { after: 1000 },
  streams: [...labelled, ...plain],
  detectors: all,
};

/** (b) INSECTS gradual, where a fixed model fails near row 14,028, and Electricity, whose drift points nobody knows. */
export function recorded(tool: string): LabConfig {
  const folder = join(execFileSync(tool, ['drift-streams'], { encoding: 'utf8' }).trim(), 'drift', 'feature-drift');
  return {
    seeds: [1],
    acceptance: { before: 0, after: 2000 },
    training: 1000,
    streams: [
      {
        name: 'INSECTS gradual',
        file: { path: join(folder, 'gradual_balanced_24150.zip'), drifts: [{ start: 14_028, end: 14_029 }] },
      },
      { name: 'Electricity', file: { path: join(folder, 'Electricity.zip') } },
    ],
    detectors: all,
  };
}
