// Deploying by hand: a version that has passed its gates becomes releases and a roll-out.
import { SanderlingError } from '@sanderling/kit';
import type { ProjectSpec, Rollout } from '@sanderling/wire';
import type { Registry } from '../models/index.ts';
import type { Releases } from './releases.ts';
import type { Rollouts } from './rollouts.ts';

/** What to deploy. */
export interface DeployRequest {
  /** @default the candidate */
  readonly version?: number;
  /** Deploys a version that gates have stopped, or that they have not judged. @default false */
  readonly force?: boolean;
}

/** What deploying uses. */
export interface DeployParts {
  readonly registry: Registry;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
}

/** @throws NOT_FOUND, GATE_FAILED with what the gates said, UNSUPPORTED */
export async function deploy(spec: ProjectSpec, request: DeployRequest, parts: DeployParts): Promise<Rollout> {
  const record = await parts.registry.get(spec.name, request.version ?? 'candidate');
  const failed = record.gates?.find((gate) => !gate.passed);
  if (request.force !== true && (record.gates === null || failed !== undefined)) {
    const why = failed === undefined ? 'its gates have not been judged' : `${failed.gate}: ${failed.message}`;
    throw new SanderlingError('GATE_FAILED', `version ${record.version} may not be released: ${why}`, {
      fix: 'train again, or deploy it with force and a key that has the scope "admin"',
    });
  }
  const releases = await parts.releases.make(record, spec);
  return parts.rollouts.begin({ spec, version: record.version, releases, execution: null });
}
