// Numbers as tables write them: point or comma, a unit behind, and the many ways to say that there is none.

/** What a field holds: a number, nothing (`missing`), an infinity, or something else (`bad`). */
export type NumberField = number | 'missing' | 'infinite' | 'bad';

const missing = new Set([
  '',
  'na',
  'n/a',
  'nan',
  'null',
  'none',
  'nil',
  '-',
  '--',
  '?',
  '#n/a',
  'missing',
  'unavailable',
  'unknown',
]);
const plainNumber = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const withUnit = /^(.*\d)\s*(°\s*[CFK]?|deg\s*[CFK]?|[CFK]|℃|℉|%)$/i;
const infinity = /^[+-]?(inf|infinity|∞)$/i;

/** Reads a field. `decimalComma`: 21,5 is twenty-one and a half. */
export function parseNumberField(field: string, decimalComma: boolean): NumberField {
  const fast = Number(field);
  // Number() also takes blanks for 0 and knows hexadecimal: those go the slow way, as does what it does not know.
  if (Number.isFinite(fast) && fast !== 0 && field.charCodeAt(1) !== 120) return fast;
  return parseSlowly(field.trim(), decimalComma);
}

function parseSlowly(text: string, decimalComma: boolean): NumberField {
  if (missing.has(text.toLowerCase())) return 'missing';
  if (infinity.test(text)) return 'infinite';
  const point = decimalComma && text.includes(',') && !text.includes('.') ? text.replace(',', '.') : text;
  if (plainNumber.test(point)) {
    const value = Number(point);
    return Number.isFinite(value) ? value : 'infinite';
  }
  const bare = withUnit.exec(text)?.[1];
  return bare === undefined ? 'bad' : parseSlowly(bare.trim(), decimalComma);
}

const unitNames: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/°\s*c\b|℃|deg\s*c\b|celsius|[([]\s*c\s*[)\]]|_c$/i, '°C'],
  [/°\s*f\b|℉|deg\s*f\b|fahrenheit|[([]\s*f\s*[)\]]|_f$/i, '°F'],
  [/kelvin|[([]\s*k\s*[)\]]|_k$/i, 'K'],
];

/** The temperature unit that a column's name tells; '' when it tells none. */
export function unitInName(name: string): string {
  return unitNames.find(([pattern]) => pattern.test(name))?.[1] ?? '';
}
