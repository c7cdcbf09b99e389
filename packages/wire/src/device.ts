// The light door of this package, for programs on devices: no schema library is loaded.
export { openBundle, sealBundle, maxBundleBytes, maxManifestBytes, type OpenedBundle } from './bundle.ts';
export {
  authorise,
  hubTimeHeader,
  maxClockSkewMs,
  readCredential,
  verifyRequest,
  type DeviceCredential,
  type SignedRequest,
} from './device-auth.ts';
export { desiredPayload, maxDeliverEntries, updateStages } from './device-messages.ts';
export type {
  DeliverAnswer,
  DeliverRequest,
  DesiredAnswer,
  DeviceHealth,
  EnrolAnswer,
  EnrolRequest,
  EventEntry,
  OutboxEntry,
  ReadingEntry,
  ReportEntry,
  StatusRequest,
  UpdateStage,
} from './device-messages.ts';
export { formatToken, parseToken, type EnrolmentToken } from './enrolment.ts';
export { createSigningKey, keyFingerprint, sign, verify, type SigningKey } from './keys.ts';
export type {
  PreprocessingJson,
  Probation,
  Provenance,
  ReleaseFile,
  ReleaseManifest,
  SelfTestCase,
} from './release.ts';
export { agentTargets, localTarget, targets, type Target } from './target.ts';
