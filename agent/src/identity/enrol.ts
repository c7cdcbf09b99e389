// Becoming known to a hub: once, with a one-time token that also says which hub to believe.
import { backoff, SanderlingError, toSanderlingError, type Clock } from '@sanderling/kit';
import { keyFingerprint, localTarget, parseToken, type EnrolAnswer, type EnrolRequest } from '@sanderling/wire/device';
import type { CrashHook } from '../crash-points.ts';
import type { Narrator } from '../status/lines.ts';
import { saveIdentity, type Enrolment, type Identity } from './identity.ts';

/** The hub, as far as enrolment needs it. */
export interface EnrolmentDesk {
  enrol(request: EnrolRequest, signal: AbortSignal): Promise<EnrolAnswer>;
}

/** What enrolment needs. */
export interface EnrolOptions {
  readonly desk: EnrolmentDesk;
  /** Where the identity is kept. */
  readonly path: string;
  readonly token: string | undefined;
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly agentVersion: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly narrate: Narrator;
  readonly crash: CrashHook;
}

/** Failures that another try may cure. Every other one needs a person. */
const transient: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'LIMIT_REACHED', 'INTERNAL']);

/**
 * Checks that what is stored and what is given can work together, before anything starts.
 * @throws UNAUTHENTICATED without a token, CONFLICT when the folder belongs to another hub.
 */
export function checkEnrolment(identity: Identity, token: string | undefined): void {
  const { enrolment } = identity;
  if (enrolment === null) {
    if (token === undefined)
      throw new SanderlingError('UNAUTHENTICATED', 'this device is not enrolled and has no token', {
        where: 'token',
        fix: 'make one with: sanderling devices token, and give it with --token or SANDERLING_AGENT_TOKEN',
      });
    parseToken(token);
    return;
  }
  if (token !== undefined && parseToken(token).fingerprint !== enrolment.fingerprint)
    throw new SanderlingError('CONFLICT', 'this data folder is enrolled with another hub than the token’s', {
      where: 'token',
      fix: 'use another data folder with --data, or leave the token out',
    });
}

/**
 * Enrols, trying again for as long as the hub cannot be reached. The key is on disk before it is sent, so that a lost answer costs
 * nothing: the hub answers the same key with the same device.
 * @throws TOKEN_EXPIRED, TOKEN_USED, UNAUTHENTICATED … when the hub refuses; BAD_SIGNATURE when it is not the token's hub.
 */
export async function enrol(identity: Identity, options: EnrolOptions, signal: AbortSignal): Promise<Enrolment> {
  const enrolment = identity.enrolment ?? (await enrolAnew(identity, options, signal));
  const { device, name, project } = enrolment;
  options.narrate({ type: 'enrolled', device, name, project });
  return enrolment;
}

async function enrolAnew(identity: Identity, options: EnrolOptions, signal: AbortSignal): Promise<Enrolment> {
  const { fingerprint } = parseToken(options.token ?? '');
  const answer = await ask(identity, options, signal);
  options.crash('enrol-sent');
  if (keyFingerprint(answer.hubPublicKey) !== fingerprint)
    throw new SanderlingError('BAD_SIGNATURE', 'the hub that answered is not the one that made the token', {
      fix: 'check the address of the hub; do not trust this one',
    });
  const enrolment = { ...answer, fingerprint };
  await saveIdentity(options.path, { ...identity, enrolment });
  options.crash('identity-written');
  return enrolment;
}

async function ask(identity: Identity, options: EnrolOptions, signal: AbortSignal): Promise<EnrolAnswer> {
  const { desk, token, name, tags, agentVersion, clock, random, narrate } = options;
  const target = localTarget();
  const request = { token: token ?? '', publicKey: identity.key.publicKey, name, target, tags, agentVersion };
  for (let attempt = 1; ; attempt++) {
    try {
      return await desk.enrol(request, signal);
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (!transient.has(error.code)) throw error;
      if (attempt === 1) narrate({ type: 'error', about: 'enrolment', ...error.toBody() });
    }
    await clock.sleep(backoff(attempt, { baseMs: 500, maxMs: 60_000, random }), signal);
  }
}
