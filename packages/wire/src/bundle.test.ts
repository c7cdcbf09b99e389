// Bundles: whole and signed by the right key, or refused with a code.
import { sha256 } from '@sanderling/kit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSigningKey, openBundle, sealBundle, type ReleaseManifest } from './index.ts';

const key = createSigningKey();
const model = Buffer.from('pretend this is ONNX');
const files = new Map<string, Uint8Array>([
  ['model.onnx', model],
  ['notes.txt', Buffer.alloc(0)],
]);

function manifest(overrides: Partial<ReleaseManifest> = {}): ReleaseManifest {
  return {
    format: 'sanderling-release/1',
    project: 'temperature',
    version: 3,
    target: 'linux-x64',
    sequence: 7,
    createdAt: 1_790_000_000_000,
    files: [...files].map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha256(bytes) })),
    model: { file: 'model.onnx', input: 'window', output: 'forecast' },
    preprocessing: { window: 24, mean: 21.5 },
    drift: { detector: 'page-hinkley' },
    selfTest: { cases: [{ input: [0.5, 1e-7], expected: [0.25] }], tolerance: 1e-4 },
    probation: { predictions: 20, minutes: 5, maxErrorRatio: 5 },
    provenance: { dataset: sha256('d'), run: 'run_1', execution: 'exe_1', codeVersion: '0.1.0', metrics: { mae: 0.4 } },
    ...overrides,
  };
}

describe('a sealed bundle', () => {
  const sealed = sealBundle(manifest(), files, key.privateKey);

  test('opens with what was put in, under its own address', () => {
    const opened = openBundle(sealed.bytes, key.publicKey, sealed.digest);
    expect(opened.digest).toBe(sealed.digest);
    expect(opened.manifest).toEqual(manifest());
    expect(Buffer.from(opened.files.get('model.onnx')!)).toEqual(model);
  });

  test('is the same bytes when made again', () => {
    expect(sealBundle(manifest(), files, key.privateKey).bytes).toEqual(sealed.bytes);
  });

  test('is refused under another key or another address', () => {
    expect(() => openBundle(sealed.bytes, createSigningKey().publicKey)).toThrow(
      expect.objectContaining({ code: 'BAD_SIGNATURE' }),
    );
    expect(() => openBundle(sealed.bytes, key.publicKey, sha256('other'))).toThrow(
      expect.objectContaining({ code: 'CORRUPT' }),
    );
  });

  test('is refused when cut anywhere, when one bit flips anywhere, when something follows', () => {
    const refused = expect.objectContaining({ code: expect.stringMatching(/^(CORRUPT|BAD_SIGNATURE)$/) });
    for (let end = 0; end < sealed.bytes.length; end++)
      expect(() => openBundle(sealed.bytes.subarray(0, end), key.publicKey)).toThrow(refused);
    for (let i = 0; i < sealed.bytes.length; i++) {
      const flipped = Buffer.from(sealed.bytes);
      flipped[i]! ^= 1 << (i % 8);
      expect(() => openBundle(flipped, key.publicKey), `byte ${i}`).toThrow(refused);
    }
    expect(() => openBundle(Buffer.concat([sealed.bytes, Buffer.from('x')]), key.publicKey)).toThrow(refused);
  });
});

test('any bytes at all are refused with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, prefixed) => {
      const data = prefixed ? Buffer.concat([Buffer.from('SNDRLNG1'), bytes]) : bytes;
      expect(() => openBundle(data, key.publicKey)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(CORRUPT|BAD_SIGNATURE)$/) }),
      );
    }),
  );
});

test('a file list that climbs out of its folder is refused even when it is signed', () => {
  for (const path of ['../evil', '/etc/passwd', 'a/b', '', '.hidden']) {
    const bad = manifest({ files: [{ path, size: 0, sha256: sha256('') }] });
    const { bytes } = sealBundle(bad, new Map([[path, new Uint8Array()]]), key.privateKey);
    expect(() => openBundle(bytes, key.publicKey)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  }
});
