// One-time enrolment tokens: they name themselves, carry a secret, and pin the hub's release key, so that a device knows whom to believe before its first request.
import { SanderlingError } from '@sanderling/kit';

/** The parts of a token `sdl_<id>_<secret>_<fingerprint>`. */
export interface EnrolmentToken {
  readonly id: string;
  /** 32 random bytes, hexadecimal. The hub keeps only its digest. */
  readonly secret: string;
  /** `keyFingerprint` of the hub's release key. */
  readonly fingerprint: string;
}

/** The token as text. */
export function formatToken(token: EnrolmentToken): string {
  return `sdl_${token.id}_${token.secret}_${token.fingerprint}`;
}

/** Reads a token. @throws UNAUTHENTICATED when the text is not one. */
export function parseToken(text: string): EnrolmentToken {
  const match = /^sdl_([0-9a-z]{26})_([0-9a-f]{64})_([0-9a-f]{32})$/.exec(text.trim());
  if (match === null)
    throw new SanderlingError('UNAUTHENTICATED', 'this is not an enrolment token', {
      fix: 'make one with: sanderling devices token',
    });
  return { id: match[1]!, secret: match[2]!, fingerprint: match[3]! };
}
