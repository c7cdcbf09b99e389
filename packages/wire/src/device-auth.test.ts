import { sha256 } from '@sanderling/kit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  authorise,
  createSigningKey,
  formatToken,
  keyFingerprint,
  maxClockSkewMs,
  parseToken,
  readCredential,
  sign,
  verify,
  verifyRequest,
} from './index.ts';

const key = createSigningKey();
const request = { method: 'POST', path: '/agent/v1/deliver?x=1', body: Buffer.from('{"entries":[]}') };
const now = 1_790_000_000_000;

test('a request signed by the device passes; any change to it does not', () => {
  const credential = readCredential(authorise(request, 'dev_1', { privateKey: key.privateKey, time: now }));
  expect(credential.device).toBe('dev_1');
  verifyRequest(request, credential, { publicKey: key.publicKey, now });
  const refused = expect.objectContaining({ code: 'UNAUTHENTICATED' });
  for (const changed of [
    { ...request, method: 'GET' },
    { ...request, path: '/agent/v1/deliver' },
    { ...request, body: Buffer.from('{"entries":[1]}') },
    { ...request, body: undefined },
  ]) {
    expect(() => verifyRequest(changed, credential, { publicKey: key.publicKey, now })).toThrow(refused);
  }
  expect(() => verifyRequest(request, credential, { publicKey: createSigningKey().publicKey, now })).toThrow(refused);
  expect(() => verifyRequest(request, { ...credential, time: now + 1 }, { publicKey: key.publicKey, now })).toThrow(
    refused,
  );
});

test('an old request cannot be played again', () => {
  const credential = readCredential(authorise(request, 'dev_1', { privateKey: key.privateKey, time: now }));
  expect(() => verifyRequest(request, credential, { publicKey: key.publicKey, now: now + maxClockSkewMs + 1 })).toThrow(
    expect.objectContaining({ details: { reason: 'clock-skew' } }),
  );
});

test('malformed headers and tokens are refused, never misread', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => readCredential(text)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }));
      expect(() => parseToken(text)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }));
    }),
  );
});

test('a token reads back', () => {
  const token = {
    id: '01jd3m0k5w4s01jd3m0k5w4s00',
    secret: sha256('secret'),
    fingerprint: keyFingerprint(key.publicKey),
  };
  expect(parseToken(` ${formatToken(token)}\n`)).toEqual(token);
});

test('signatures are Ed25519 of RFC 8032: its test 2', () => {
  const publicKey = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex').toString(
    'base64url',
  );
  const secret = '302e020100300506032b6570042204204ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
  const pem = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(secret, 'hex').toString('base64')}\n-----END PRIVATE KEY-----\n`;
  const signature = sign(pem, Buffer.from([0x72]));
  expect(Buffer.from(signature).toString('hex')).toBe(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  expect(verify(publicKey, Buffer.from([0x72]), signature)).toBe(true);
  expect(() => verify('short', Buffer.from([0x72]), signature)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});
