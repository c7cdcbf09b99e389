// Identifiers that sort by time: prefix, 48 bits of milliseconds, 80 random bits, in Crockford's base 32 (the ULID layout).
import { randomBytes } from 'node:crypto';
import { systemClock, type Clock } from './clock.ts';

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** A new identifier such as `run_01jd3m0k5w4s…`: unique, sortable by creation time to the millisecond. */
export function newId(prefix: string, clock: Clock = systemClock): string {
  return `${prefix}_${encodeTime(clock.now())}${encodeRandom(randomBytes(10))}`;
}

function encodeTime(ms: number): string {
  let text = '';
  let rest = Math.floor(ms);
  for (let i = 0; i < 10; i++) {
    text = alphabet[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function encodeRandom(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < 16; i++) {
    text = alphabet[Number(bits & 31n)] + text;
    bits >>= 5n;
  }
  return text;
}
