// The detectors' C text lies beside this file as plain C, written for a detector called `detector`; here it gets its own name and its numbers.
import { readFileSync } from 'node:fs';
import { comment, literal, type Lines } from '../emit/c-text.ts';

/** A number that the C text reads as a macro: its value as C, and what it means. */
export interface Constant {
  readonly macro: string;
  readonly c: string;
  readonly about?: string;
}

/** A C text cut in two: what a caller must see, and the rest. */
export interface Template {
  readonly types: Lines;
  readonly code: Lines;
}

/** A file of C text. @param url its place, as `import.meta.url` and a relative name give it. */
export function readText(name: string, base: string): string {
  return readFileSync(new URL(name, base), 'utf8').trimEnd();
}

/** Cuts behind the last line that ends the definition of `type`. */
export function cutAfter(text: string, type: string): Template {
  const end = text.indexOf(`} ${type};`);
  const cut = text.indexOf('\n', end);
  return { types: text.slice(0, cut).split('\n'), code: text.slice(cut).trim().split('\n') };
}

/** Gives `word_…` and `WORD_…` another name. */
export function renamed(text: string, word: string, name: string): string {
  return text
    .replace(new RegExp(`\\b${word}_`, 'g'), `${name}_`)
    .replace(new RegExp(`\\b${word.toUpperCase()}_`, 'g'), `${name.toUpperCase()}_`);
}

/** `#define WORD_MACRO value` lines. */
export function defines(word: string, constants: readonly Constant[]): Lines {
  return constants.map(
    ({ macro, c, about }) => `#define ${word.toUpperCase()}_${macro} ${c}${about ? ` /* ${plain(about)} */` : ''}`,
  );
}

/** A comment's text with quotes and signs as ASCII has them. */
const plain = (text: string): string => comment(text.replaceAll('’', "'").replaceAll('−', '-').replaceAll('…', ' to '));

/** `windowSize` as `WINDOW_SIZE`. */
export const macroName = (option: string): string => option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

/** A double as C, negative numbers in brackets. */
export function double(value: number): string {
  const text = literal(value, 'float64');
  return value < 0 ? `(${text})` : text;
}

/** A count as C. */
export const count = (value: number): string => `${value}U`;
