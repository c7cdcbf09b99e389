// The contract of blob stores: every implementation runs it.
import { sha256 } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import type { BlobStore } from './blobs.ts';

/** Runs the contract against a store that starts empty. */
export function describeBlobStore(name: string, open: () => Promise<BlobStore>): void {
  describe(`${name} as a blob store`, () => {
    test('bytes come back under their SHA-256', async () => {
      const store = await open();
      for (const bytes of [new Uint8Array(), Uint8Array.of(0), Buffer.from('🐦'), new Uint8Array(300_000).fill(7)]) {
        const digest = await store.put(bytes);
        expect(digest).toBe(sha256(bytes));
        expect(Buffer.from(await store.get(digest)).equals(Buffer.from(bytes))).toBe(true);
        expect(await store.size(digest)).toBe(bytes.length);
      }
    });

    test('the same bytes are one blob, also when put at the same time', async () => {
      const store = await open();
      const bytes = Buffer.from('twice');
      const digests = await Promise.all(Array.from({ length: 8 }, () => store.put(bytes)));
      expect(new Set(digests)).toEqual(new Set([sha256(bytes)]));
      expect(Buffer.from(await store.get(digests[0]!)).toString()).toBe('twice');
    });

    test('parts, also beyond the end', async () => {
      const store = await open();
      const digest = await store.put(Buffer.from('0123456789'));
      const part = async (start: number, end: number) => Buffer.from(await store.read(digest, start, end)).toString();
      expect(await part(2, 5)).toBe('234');
      expect(await part(8, 100)).toBe('89');
      expect(await part(10, 20)).toBe('');
      expect(await part(0, 0)).toBe('');
    });

    test('what is not there is NOT_FOUND, what is no address INVALID_ARGUMENT', async () => {
      const store = await open();
      const absent = sha256('absent');
      const asks = [() => store.get(absent), () => store.size(absent), () => store.read(absent, 0, 1)];
      for (const ask of asks) await expect(ask()).rejects.toMatchObject({ code: 'NOT_FOUND' });
      for (const bad of ['', '../../etc/passwd', 'A'.repeat(64), `${absent}/x`])
        await expect(store.get(bad)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });
}
