// The checks that the hub makes on what devices send: the schemas of `device-messages.ts`.
import { z } from 'zod';
import {
  maxDeliverEntries,
  updateStages,
  type DeliverRequest,
  type EnrolRequest,
  type StatusRequest,
} from './device-messages.ts';
import { slug } from './project.ts';
import { targets } from './target.ts';

const time = z.int().min(-8_640_000_000_000_000).max(8_640_000_000_000_000);
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hexadecimal');
const tags = z.record(slug, z.string().max(200)).refine((value) => Object.keys(value).length <= 32, 'at most 32 tags');

/** Schema of {@link EnrolRequest}. */
export const enrolRequest = z.strictObject({
  token: z.string().max(300),
  publicKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'expected a raw Ed25519 public key in base64url'),
  name: slug,
  target: z.enum(targets),
  tags,
  agentVersion: z.string().max(100),
}) satisfies z.ZodType<EnrolRequest>;

const readingEntry = z.strictObject({ kind: z.literal('reading'), time, value: z.number() });
const health = z.strictObject({
  residentMb: z.number(),
  uptimeSeconds: z.number(),
  outboxEntries: z.int(),
  outboxDropped: z.int(),
  diskFreeMb: z.number().nullable(),
});
const reportEntry = z.strictObject({
  kind: z.literal('report'),
  time,
  release: digest,
  predictions: z.int().min(0),
  rollingError: z.number().min(0).nullable(),
  driftScore: z.number().min(0).max(1),
  latencyMs: z.strictObject({ p50: z.number().min(0), p99: z.number().min(0) }),
  forecast: z.array(z.strictObject({ time, value: z.number() })).max(1000),
  health,
});
const eventEntry = z.strictObject({
  kind: z.literal('event'),
  time,
  type: z
    .string()
    .regex(/^[a-z][a-z-]*(\.[a-z-]+)+$/)
    .max(100),
  data: z.record(z.string(), z.unknown()),
});

/** Schema of one outbox entry. */
export const outboxEntry = z.discriminatedUnion('kind', [readingEntry, reportEntry, eventEntry]);

/** Schema of {@link DeliverRequest}: sequence numbers ascend. */
export const deliverRequest = z.strictObject({
  outbox: z.string().regex(/^[0-9a-zA-Z_-]{1,64}$/),
  entries: z
    .array(z.strictObject({ seq: z.int().min(1), entry: outboxEntry }))
    .max(maxDeliverEntries)
    .refine(
      (entries) => entries.every((item, i) => i === 0 || item.seq > entries[i - 1]!.seq),
      'sequence numbers must ascend',
    ),
}) satisfies z.ZodType<DeliverRequest>;

/** Schema of {@link StatusRequest}. */
export const statusRequest = z.strictObject({
  counter: z.int().min(0),
  active: digest.nullable(),
  previous: digest.nullable(),
  update: z.strictObject({
    release: digest.nullable(),
    stage: z.enum(updateStages),
    progress: z.number().min(0).max(1),
    reason: z.string().max(2000).nullable(),
  }),
  agentVersion: z.string().max(100),
}) satisfies z.ZodType<StatusRequest>;
