import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, digestOf, isDigest, sha256, SanderlingError } from './index.ts';

test('digests are the published ones (FIPS 180-4 examples)', () => {
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(sha256(new Uint8Array())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

test('canonical JSON reads back equal and ignores the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    }),
  );
  expect(digestOf({ b: 1, a: undefined, c: [null] })).toBe(digestOf({ c: [null], b: 1 }));
});

test('what JSON cannot say is refused with its path', () => {
  for (const value of [NaN, Infinity, () => 1, Symbol('x'), 1n]) {
    expect(() => canonicalJson({ a: [0, value] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', where: '$.a[1]' } satisfies Partial<SanderlingError>),
    );
  }
});

test('only 64 lower-case hexadecimal characters are a digest', () => {
  expect(isDigest(sha256('x'))).toBe(true);
  for (const no of ['', 'A'.repeat(64), '../../etc/passwd', 'g'.repeat(64), 5]) expect(isDigest(no)).toBe(false);
});
