// The resources of the hub's public API, one schema each; the OpenAPI page, the hub's answers and the typed client are made from these.
import { z } from 'zod';
import { duration } from './duration.ts';
import type { DeviceCost } from './release.ts';
import { projectSpec, slug } from './project.ts';
import { targets } from './target.ts';

const id = z.string().max(64);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
/** Milliseconds since 1970-01-01 UTC. */
const time = z.int();
const json = z.record(z.string(), z.unknown());

/** A list answer: `next` is the cursor of the following page, absent on the last. */
export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

export const errorAnswer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    where: z.string().optional(),
    fix: z.string().optional(),
    details: json.optional(),
  }),
});

export const project = z.object({ name: slug, spec: projectSpec, createdAt: time, updatedAt: time });

export const reading = z.object({ time, value: z.number() });
export const storedReading = z.object({
  id: z.int(),
  time,
  value: z.number(),
  source: z.string().describe('device id, or import:BATCH'),
  receivedAt: time,
});
export const ingestAnswer = z.object({
  batch: z
    .string()
    .describe(
      'identity of this batch: sending the same Idempotency-Key again returns the first answer and stores nothing',
    ),
  accepted: z.int(),
  skipped: z.int(),
  reasons: z.array(z.object({ reason: z.string(), count: z.int(), firstLine: z.int().optional() })),
  firstTime: time.nullable(),
  lastTime: time.nullable(),
});

export const finding = z.object({
  code: z.string(),
  severity: z.enum(['info', 'warning', 'error']),
  count: z.int(),
  message: z.string(),
  firstTime: time.nullable(),
  lastTime: time.nullable(),
});
export const quality = z.object({
  usable: z.boolean(),
  reason: z.string().nullable(),
  rows: z.int(),
  findings: z.array(finding),
});
export const dataset = z.object({
  digest,
  project: slug,
  rows: z.int(),
  firstTime: time.nullable(),
  lastTime: time.nullable(),
  createdAt: time,
  quality: quality.nullable(),
});

export const executionStates = ['queued', 'running', 'succeeded', 'stopped', 'failed', 'cancelled'] as const;
export const stepStates = ['waiting', 'running', 'succeeded', 'skipped', 'stopped', 'failed', 'cancelled'] as const;
/** `stopped`: a gate said no; nothing is wrong with the machinery. */
export const execution = z.object({
  id,
  project: slug,
  pipeline: z.string(),
  trigger: z.string().describe('manual, or the automation and event that started it'),
  state: z.enum(executionStates),
  reason: z.string().nullable().describe('why it stopped or failed, one sentence'),
  createdAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  steps: z.array(
    z.object({
      name: z.string(),
      state: z.enum(stepStates),
      attempt: z.int(),
      startedAt: time.nullable(),
      endedAt: time.nullable(),
      message: z.string().nullable(),
      progress: z.number().nullable(),
      outputs: json,
    }),
  ),
});
export const executionLog = z.object({
  lines: z.array(
    z.object({ time, step: z.string(), level: z.enum(['debug', 'info', 'warning', 'error']), text: z.string() }),
  ),
});

export const runStates = ['running', 'finished', 'failed', 'killed'] as const;
export const experiment = z.object({ id, name: z.string(), project: slug, createdAt: time });
export const run = z.object({
  id,
  experiment: id,
  name: z.string(),
  state: z.enum(runStates),
  parent: id.nullable(),
  startedAt: time,
  endedAt: time.nullable(),
  params: z.record(z.string(), z.string()),
  metrics: z.record(z.string(), z.number()).describe('newest value of each metric'),
  tags: z.record(z.string(), z.string()),
});
export const metricPoint = z.object({ step: z.int(), time, value: z.number() });
export const artifact = z.object({ path: z.string(), size: z.int(), digest });

export const gateResult = z.object({
  gate: z.string(),
  passed: z.boolean(),
  message: z.string(),
  numbers: z.record(z.string(), z.number()),
});
export const modelVersion = z.object({
  model: slug,
  version: z.int(),
  run: id,
  execution: id.nullable(),
  dataset: digest,
  artifact: digest.describe('the ONNX model'),
  sizeBytes: z.int(),
  metrics: z.record(z.string(), z.number()),
  aliases: z.array(z.string()),
  gates: z.array(gateResult).nullable(),
  createdAt: time,
});

/** What a release costs on a microcontroller; see `release.ts`. */
const deviceCost = z.object({
  board: z.enum(['m7', 'm4']),
  instructions: z.int().describe('of one run of the model, counted by the emulator'),
  megahertz: z.number(),
  memoryBytes: z.int(),
  stackBytes: z.int(),
  imageBytes: z.int(),
  constantBytes: z.int(),
  multiplyAccumulates: z.int(),
  difference: z.number().describe('largest difference between the forecasts of board and hub, normalised'),
}) satisfies z.ZodType<DeviceCost>;
export const release = z.object({
  digest,
  project: slug,
  version: z.int(),
  target: z.enum(targets),
  sequence: z.int(),
  sizeBytes: z.int(),
  createdAt: time,
  cost: deviceCost.nullable().describe('on an emulated microcontroller; null for other targets'),
});

export const rolloutStates = ['running', 'succeeded', 'aborted', 'cancelled', 'superseded'] as const;
export const rolloutDeviceStates = [
  'waiting',
  'offered',
  'updating',
  'probation',
  'active',
  'failed',
  'rolled-back',
] as const;
export const rollout = z.object({
  id,
  project: slug,
  version: z.int(),
  releases: z.array(digest),
  state: z.enum(rolloutStates),
  reason: z.string().nullable(),
  wave: z.int(),
  waves: z.array(z.number()),
  devices: z.array(
    z.object({
      device: id,
      name: z.string(),
      state: z.enum(rolloutDeviceStates),
      reason: z.string().nullable(),
      updatedAt: time,
    }),
  ),
  createdAt: time,
  endedAt: time.nullable(),
});

export const device = z.object({
  id,
  name: slug,
  project: slug,
  target: z.enum(targets),
  tags: z.record(z.string(), z.string()),
  agentVersion: z.string(),
  enrolledAt: time,
  lastSeenAt: time.nullable(),
  online: z.boolean(),
  desired: digest.nullable(),
  active: digest.nullable(),
  update: z.object({ stage: z.string(), progress: z.number(), reason: z.string().nullable() }).nullable(),
  report: json.nullable().describe('the newest report: rolling error, drift score, latency, health, forecast'),
});
export const enrolmentToken = z.object({
  id,
  token: z.string().optional().describe('shown once, when it is made'),
  project: slug,
  createdAt: time,
  expiresAt: time,
  usedBy: id.nullable(),
});

export const monitoringPoint = z.object({
  time,
  device: id,
  release: digest,
  rollingError: z.number().nullable(),
  driftScore: z.number(),
  latencyP50Ms: z.number(),
  latencyP99Ms: z.number(),
  predictions: z.int(),
  health: z.object({
    residentMb: z.number(),
    uptimeSeconds: z.number(),
    outboxEntries: z.int(),
    outboxDropped: z.int(),
    diskFreeMb: z.number().nullable(),
  }),
});

export const event = z.object({
  seq: z.int(),
  id,
  time,
  type: z.string(),
  project: slug.nullable(),
  subject: z.string().nullable(),
  data: json,
});

export const forecast = z.object({
  model: slug,
  version: z.int(),
  basedOn: z.object({ firstTime: time, lastTime: time, rows: z.int() }),
  forecast: z.array(reading),
});

export const apiScopes = ['read', 'write', 'admin'] as const;
export const apiKey = z.object({
  id,
  name: z.string(),
  scope: z.enum(apiScopes),
  createdAt: time,
  lastUsedAt: time.nullable(),
  revokedAt: time.nullable(),
});
export const createdApiKey = apiKey.extend({ key: z.string().describe('shown once') });

const blobSum = z.object({ count: z.int(), bytes: z.int() });
/** A collection of blobs that no row names: the newest one, at work or ended. */
export const collection = z.object({
  state: z.enum(['never', 'running', 'done', 'failed', 'cancelled']),
  dryRun: z.boolean(),
  olderThanMs: z.int(),
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  progress: z
    .object({ phase: z.enum(['listing', 'rows', 'contents', 'removing']), done: z.int(), total: z.int() })
    .nullable(),
  blobs: blobSum.describe('what was there'),
  unnamed: blobSum.describe('named by no row and old enough'),
  removed: blobSum,
  partials: z.int().describe('unfinished files of killed writes'),
  examples: z.array(z.object({ digest: z.string(), size: z.int() })).describe('the first hundred of the unnamed'),
  error: errorAnswer.shape.error.nullable(),
});
export const collectionRequest = z.strictObject({
  olderThan: duration.optional().describe('how long a blob must have been there, an hour or more; a day without'),
  dryRun: z.boolean().optional().describe('say what would go, and remove nothing'),
  evenMost: z.boolean().optional().describe('go on although more than half of all blobs would go'),
});

export type Project = z.output<typeof project>;
export type StoredReading = z.output<typeof storedReading>;
export type IngestAnswer = z.output<typeof ingestAnswer>;
export type Quality = z.output<typeof quality>;
export type Dataset = z.output<typeof dataset>;
export type Execution = z.output<typeof execution>;
export type ExecutionLog = z.output<typeof executionLog>;
export type Experiment = z.output<typeof experiment>;
export type Run = z.output<typeof run>;
export type MetricPoint = z.output<typeof metricPoint>;
export type Artifact = z.output<typeof artifact>;
export type GateResult = z.output<typeof gateResult>;
export type ModelVersion = z.output<typeof modelVersion>;
export type Release = z.output<typeof release>;
export type Rollout = z.output<typeof rollout>;
export type Device = z.output<typeof device>;
export type EnrolmentTokenInfo = z.output<typeof enrolmentToken>;
export type MonitoringPoint = z.output<typeof monitoringPoint>;
export type HubEvent = z.output<typeof event>;
export type Forecast = z.output<typeof forecast>;
export type Collection = z.output<typeof collection>;
export type CollectionRequest = z.input<typeof collectionRequest>;
export type ApiScope = (typeof apiScopes)[number];
export type ApiKey = z.output<typeof apiKey>;
