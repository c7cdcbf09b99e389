// The file that carries a release: magic, signed canonical-JSON manifest, then the files' bytes in the manifest's order.
//
//   8 bytes  "SNDRLNG1"      4 bytes  manifest length n, little-endian      n bytes  manifest (canonical JSON, UTF-8)
//   64 bytes Ed25519 signature over "sanderling-release\n" + manifest       files, one behind the other
import { canonicalJson, isDigest, SanderlingError, sha256, type Digest } from '@sanderling/kit';
import { sign, verify } from './keys.ts';
import type { ReleaseManifest } from './release.ts';

const magic = Buffer.from('SNDRLNG1');
const domain = Buffer.from('sanderling-release\n');
const signatureBytes = 64;
const headBytes = magic.length + 4;

/** Largest manifest, bytes. */
export const maxManifestBytes = 1 << 20;
/** Largest bundle, bytes. */
export const maxBundleBytes = 256 << 20;

/** A bundle that was opened: nothing in it is trusted before {@link openBundle} has returned it. */
export interface OpenedBundle {
  /** SHA-256 of the manifest's bytes: the release's address. */
  readonly digest: Digest;
  readonly manifest: ReleaseManifest;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Writes and signs a bundle. `files` hold the bytes that the manifest lists. @returns the bundle and its address. */
export function sealBundle(
  manifest: ReleaseManifest,
  files: ReadonlyMap<string, Uint8Array>,
  privateKey: string,
): { readonly digest: Digest; readonly bytes: Uint8Array } {
  const text = Buffer.from(canonicalJson(manifest));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const signature = sign(privateKey, Buffer.concat([domain, text]));
  const parts = manifest.files.map((file) => checkedFile(file.path, files.get(file.path), file));
  return { digest: sha256(text), bytes: Buffer.concat([magic, length, text, signature, ...parts]) };
}

/**
 * Opens a bundle: checks form, signature, address and every file's digest, in this order.
 * @throws CORRUPT when it is truncated, altered or not a bundle; BAD_SIGNATURE when the key did not sign it.
 */
export function openBundle(bytes: Uint8Array, publicKey: string, expected?: Digest): OpenedBundle {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = manifestBytes(data);
  const body = headBytes + text.length + signatureBytes;
  if (data.length < body) throw corrupt('it ends inside the signature');
  if (!verify(publicKey, Buffer.concat([domain, text]), data.subarray(headBytes + text.length, body))) {
    throw new SanderlingError('BAD_SIGNATURE', 'the bundle is not signed by this hub’s release key', {
      fix: 'do not install it; ask for the release again',
    });
  }
  const digest = sha256(text);
  if (expected !== undefined && digest !== expected)
    throw corrupt(`it is release ${digest.slice(0, 12)}, not ${expected.slice(0, 12)}`);
  const manifest = parseManifest(text);
  return { digest, manifest, files: readFiles(data.subarray(body), manifest) };
}

function manifestBytes(data: Buffer): Buffer {
  if (data.length < headBytes || !data.subarray(0, magic.length).equals(magic))
    throw corrupt('it does not start as one');
  const length = data.readUInt32LE(magic.length);
  if (length > maxManifestBytes) throw corrupt('its manifest is too long');
  if (data.length < headBytes + length) throw corrupt('it ends inside the manifest');
  return data.subarray(headBytes, headBytes + length);
}

/** The signature has been checked: what is wrong here was signed wrong. */
function parseManifest(text: Buffer): ReleaseManifest {
  let value: Partial<ReleaseManifest> | null;
  try {
    value = JSON.parse(text.toString('utf8')) as Partial<ReleaseManifest> | null;
  } catch (error) {
    throw corrupt('its manifest is not JSON', error);
  }
  if (value?.format !== 'sanderling-release/1') throw corrupt(`its format is ${String(value?.format)}`);
  const files: unknown = value.files;
  if (!Array.isArray(files) || !files.every(isFile)) throw corrupt('its file list is malformed');
  return value as ReleaseManifest;
}

function isFile(file: unknown): boolean {
  const { path, size, sha256: digest } = (file ?? {}) as Record<string, unknown>;
  return (
    typeof path === 'string' &&
    /^[\w][\w.-]{0,99}$/.test(path) &&
    Number.isSafeInteger(size) &&
    (size as number) >= 0 &&
    isDigest(digest)
  );
}

function readFiles(data: Buffer, manifest: ReleaseManifest): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let offset = 0;
  for (const file of manifest.files) {
    if (offset + file.size > data.length) throw corrupt(`it ends inside ${file.path}`);
    files.set(file.path, checkedFile(file.path, data.subarray(offset, offset + file.size), file));
    offset += file.size;
  }
  if (offset !== data.length) throw corrupt('bytes follow its last file');
  return files;
}

function checkedFile(
  path: string,
  bytes: Uint8Array | undefined,
  listed: { readonly size: number; readonly sha256: Digest },
): Uint8Array {
  if (bytes === undefined || bytes.length !== listed.size || sha256(bytes) !== listed.sha256)
    throw corrupt(`${path} is not what the manifest lists`);
  return bytes;
}

function corrupt(what: string, cause?: unknown): SanderlingError {
  return new SanderlingError('CORRUPT', `this is not a whole release bundle: ${what}`, {
    fix: 'fetch it again',
    ...(cause === undefined ? {} : { cause }),
  });
}
