// Writes coefficients.ts. Run: node packages/micro/src/emit/curves/write-coefficients.ts
import { writeFile } from 'node:fs/promises';
import { fitCurves } from './fit.ts';

/** Longest line of a list. */
const width = 120;

/** Numbers in lines as the formatter fills them. */
function filled(values: readonly number[]): string {
  const lines: string[] = [];
  for (const value of values) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${value},`.length <= width) lines[lines.length - 1] = `${last} ${value},`;
    else lines.push(`      ${value},`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** The text of coefficients.ts. */
export function coefficientsText(): string {
  const { polynomials, errors, ...rest } = fitCurves();
  const lists = Object.entries(polynomials).map(([name, values]) => `    ${name}: [\n${filled(values)}    ],\n`);
  const found = Object.entries(errors).map(([name, error]) => `    ${name}: ${error},\n`);
  const others = Object.entries(rest).map(
    ([name, value]) => `  ${name}: ${typeof value === 'number' ? value : `[${value.join(', ')}]`},\n`,
  );
  return `// Made by write-coefficients.ts; do not edit.
import type { Coefficients } from './fit.ts';

/** The constants of the curves, in single precision. */
export const coefficients: Coefficients = {
  polynomials: {
${lists.join('')}  },
  errors: {
${found.join('')}  },
${others.join('')}};
`;
}

if (import.meta.main) await writeFile(new URL('./coefficients.ts', import.meta.url), coefficientsText());
