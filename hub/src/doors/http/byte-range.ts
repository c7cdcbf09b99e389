// Parts of an immutable file over HTTP: Range, If-Range and ETag (RFC 9110, sections 13 and 14), one range at a time.

/** Bytes `start` to `end`, the last excluded; `unsatisfiable` when the file is shorter; undefined for the whole file. */
export type WantedRange = { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined;

/** What a request's Range header asks for. A malformed one, several ranges, or an If-Range for another file mean the whole file. */
export function wantedRange(
  headers: { readonly range: string | undefined; readonly ifRange: string | undefined },
  file: { readonly size: number; readonly etag: string },
): WantedRange {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  if (headers.ifRange !== undefined && headers.ifRange !== file.etag) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  const start = first === '' ? Math.max(0, file.size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? file.size : Math.min(file.size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  return start >= end ? 'unsatisfiable' : { start, end };
}
