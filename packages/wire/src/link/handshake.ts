// The hub's side of hello and enrolment: frames that are not sealed come in, answers go out, and at the end stands a session key.
import { randomBytes } from 'node:crypto';
import { SanderlingError } from '@sanderling/kit';
import type { LinkDesk, LinkEnrolment } from './desk.ts';
import { FieldReader, FieldWriter } from './fields.ts';
import type { Frame } from './frames.ts';
import { linkBoards } from './info.ts';
import { deviceStatuses, frameTypes, idBytes, type DeviceStatus } from './protocol.ts';
import { handshakeParts, keyBytes, nonceBytes, prove, sameSecret } from './secrets.ts';

/** A device that has proved itself. */
export interface Authenticated {
  readonly device: string;
  readonly key: Uint8Array;
  readonly session: Uint8Array;
  /** Its outbox, 16 hexadecimal digits; zeros before it has one. */
  readonly outbox: string;
}

/** What to do after a frame. */
export interface HandshakeStep {
  readonly answer?: Frame;
  readonly authenticated?: Authenticated;
  readonly problem?: SanderlingError;
}

const outboxBytes = 8;

interface Challenge {
  readonly device: string;
  readonly key: Uint8Array;
  readonly deviceNonce: Uint8Array;
  readonly hubNonce: Uint8Array;
}

/** Answers the frames of one stream. */
export class Handshake {
  readonly #desk: LinkDesk;
  #challenge: Challenge | undefined;
  #proved: Challenge | undefined;

  constructor(desk: LinkDesk) {
    this.#desk = desk;
  }

  /** Takes a frame that is not sealed. Frames that cannot be read count as noise: nothing follows from them. */
  async take(frame: Frame): Promise<HandshakeStep> {
    try {
      if (frame.type === frameTypes.hello) return await this.#hello(new FieldReader(frame.payload));
      if (frame.type === frameTypes.proof) return this.#proof(new FieldReader(frame.payload));
      if (frame.type === frameTypes.enrol) return await this.#enrol(frame.payload);
    } catch (error) {
      if (error instanceof SanderlingError) return { problem: error };
      throw error;
    }
    return {};
  }

  async #hello(from: FieldReader): Promise<HandshakeStep> {
    const [deviceNonce, device, flags] = [from.bytes(nonceBytes), from.text(idBytes), from.u32()];
    from.end();
    // Without a key it will ask to be enrolled.
    if ((flags & 1) === 0) return {};
    const key = await this.#desk.deviceKey(device);
    if (key === undefined) {
      const problem = new SanderlingError('UNAUTHENTICATED', `a device that is not known said hello: ${device}`);
      return { answer: refused(deviceNonce, 'unauthenticated'), problem };
    }
    // The same hello again: the challenge was lost, and must not change under a proof that is on its way.
    const same = this.#challenge?.device === device && sameSecret(this.#challenge.deviceNonce, deviceNonce);
    if (!same) {
      this.#challenge = { device, key, deviceNonce: Buffer.from(deviceNonce), hubNonce: randomBytes(nonceBytes) };
      this.#proved = undefined;
    }
    const { hubNonce } = this.#challenge!;
    const proof = prove(key, 'hub', ...handshakeParts(device, deviceNonce, hubNonce));
    const payload = Buffer.concat([deviceNonce, hubNonce, proof]);
    return { answer: { type: frameTypes.challenge, seq: 0, payload } };
  }

  #proof(from: FieldReader): HandshakeStep {
    const [nonce, outbox, proof] = [from.bytes(nonceBytes), from.bytes(outboxBytes), from.bytes(32)];
    from.end();
    const challenge = this.#challenge;
    if (challenge === undefined || !sameSecret(nonce, challenge.hubNonce) || this.#proved === challenge) return {};
    const { device, key, deviceNonce, hubNonce } = challenge;
    const parts = handshakeParts(device, deviceNonce, hubNonce);
    if (!sameSecret(proof, prove(key, 'device', ...parts, outbox))) {
      const problem = new SanderlingError('UNAUTHENTICATED', `what says it is ${device} does not know its key`);
      return { answer: refused(deviceNonce, 'unauthenticated'), problem };
    }
    this.#proved = challenge;
    return { authenticated: { device, key, session: prove(key, 'session', ...parts), outbox: outbox.toString('hex') } };
  }

  async #enrol(payload: Uint8Array): Promise<HandshakeStep> {
    const from = new FieldReader(payload);
    const [installation, deviceNonce, token] = [from.bytes(16), from.bytes(nonceBytes), from.text(32)];
    const [board, firmware, proof] = [from.u32(), from.text(16), from.bytes(32)];
    from.end();
    const tokenKey = await this.#desk.tokenKey(token);
    const proved = payload.subarray(0, payload.length - proof.length);
    if (tokenKey === undefined || !sameSecret(proof, prove(tokenKey, 'enrol', proved))) {
      const problem = new SanderlingError(
        'UNAUTHENTICATED',
        'a device came with a token that is not known or not its own',
      );
      return { answer: refused(deviceNonce, 'unauthenticated'), problem };
    }
    const enrolment: LinkEnrolment = {
      token,
      installation: installation.toString('hex'),
      board: linkBoards[board as keyof typeof linkBoards] ?? 'host',
      firmware,
    };
    const { device, key } = await this.#desk.enrol(enrolment);
    return { answer: enrolled({ device, key, deviceNonce, tokenKey }) };
  }
}

function enrolled(parts: {
  readonly device: string;
  readonly key: Uint8Array;
  readonly deviceNonce: Uint8Array;
  readonly tokenKey: Uint8Array;
}): Frame {
  const { device, key, deviceNonce, tokenKey } = parts;
  if (key.length !== keyBytes) throw new SanderlingError('INTERNAL', `a device key of ${key.length} bytes`);
  const hubNonce = randomBytes(nonceBytes);
  const mask = prove(tokenKey, 'key', deviceNonce, hubNonce);
  const masked = key.map((byte, i) => byte ^ mask[i]!);
  const told = new FieldWriter().bytes(deviceNonce).bytes(hubNonce).text(device, idBytes).bytes(masked).done();
  return { type: frameTypes.enrolled, seq: 0, payload: Buffer.concat([told, prove(tokenKey, 'enrolled', told)]) };
}

function refused(nonce: Uint8Array, status: DeviceStatus): Frame {
  const number = deviceStatuses.findIndex(([name]) => name === status);
  return { type: frameTypes.refused, seq: 0, payload: new FieldWriter().bytes(nonce).u32(number).done() };
}
