// A command line cut into words: blanks separate, single and double quotes hold together, a backslash takes the next character as it is
// (not within single quotes).
import { SanderlingError } from '@sanderling/kit';

/** One word: pieces that are escaped, in double quotes, in single quotes, or plain. */
const word = /(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\])+/gs;
const piece = /\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\]+/gs;

/** The words of a line. @throws INVALID_ARGUMENT for an open quote or a backslash at the end. */
export function wordsOf(line: string): string[] {
  const words = line.match(word) ?? [];
  if (line.replaceAll(word, '').trim() === '') return words.map((found) => found.replaceAll(piece, bare));
  throw new SanderlingError('INVALID_ARGUMENT', `an open quote in ${JSON.stringify(line)}`, { where: 'command' });
}

/** A piece without its quotes and backslashes. */
function bare(text: string): string {
  if (text.startsWith("'")) return text.slice(1, -1);
  const inner = text.startsWith('"') ? text.slice(1, -1) : text;
  return inner.replaceAll(/\\(.)/gs, '$1');
}
