// Which text encoding a file has, judged by its first bytes; what is no text at all is refused by name.
import { tableError } from './table-report.ts';

/** Encodings that are recognised; the names are those of the WHATWG Encoding standard. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

/** First bytes of formats that people mistake for tables. */
const signatures: readonly (readonly [bytes: string, what: string])[] = [
  ['504b0304', 'a ZIP archive (an Excel workbook is one)'],
  ['d0cf11e0', 'an old Excel or Office file'],
  ['1f8b', 'a gzip archive'],
  ['28b52ffd', 'a zstd archive'],
  ['425a68', 'a bzip2 archive'],
  ['50415231', 'a Parquet file'],
  ['4152524f5731', 'an Arrow file'],
  ['53514c69746520', 'an SQLite database'],
  ['894844460d', 'an HDF5 file'],
  ['25504446', 'a PDF'],
  ['89504e47', 'a PNG picture'],
  ['ffd8ff', 'a JPEG picture'],
];

/**
 * The encoding of the text that begins with `head` (64 KiB are plenty).
 * @throws INVALID_DATA (`binary`) for what is not text.
 */
export function detectEncoding(head: Uint8Array, name: string): TextEncoding {
  const hex = Buffer.from(head.subarray(0, 8)).toString('hex');
  const known = signatures.find(([bytes]) => hex.startsWith(bytes));
  if (known !== undefined) throw binary(name, `it is ${known[1]}`);
  if (hex.startsWith('fffe')) return 'utf-16le';
  if (hex.startsWith('feff')) return 'utf-16be';
  const [even, odd, control] = countOddBytes(head);
  const half = head.length / 2;
  // In UTF-16 without a byte order mark every other byte of ASCII text is 0.
  if (odd > 0.4 * half && even < 0.05 * half) return 'utf-16le';
  if (even > 0.4 * half && odd < 0.05 * half) return 'utf-16be';
  if (even + odd > 0) throw binary(name, 'it contains zero bytes');
  if (control > 0.02 * head.length) throw binary(name, 'it contains control characters');
  return isUtf8(head) ? 'utf-8' : 'windows-1252';
}

function countOddBytes(head: Uint8Array): [zerosAtEven: number, zerosAtOdd: number, control: number] {
  let [even, odd, control] = [0, 0, 0];
  for (let i = 0; i < head.length; i++) {
    const byte = head[i]!;
    if (byte === 0) {
      if (i % 2 === 0) even++;
      else odd++;
    } else if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) control++;
  }
  return [even, odd, control];
}

function isUtf8(head: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function binary(name: string, why: string): Error {
  return tableError('binary', name, { message: `${name} is not a text table: ${why}`, fix: 'export it as CSV' });
}
