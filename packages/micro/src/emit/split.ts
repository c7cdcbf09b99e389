// The C of a program in several files: each layer with its constants and the helpers it needs, what layers share, and what runs them.
import { helpersFor, helperText } from './c-helpers.ts';
import type { Lines } from './c-text.ts';
import type { Constants } from './constants.ts';
import type { LayerCode } from './layers.ts';

/** What a source file begins with. `header`: file name without .h. */
export const includes = (header: string): Lines => [
  `#include "${header}.h"`,
  '',
  '#include <math.h>',
  '#include <string.h>',
  '',
];

/** The helpers and definitions that layers need, in an order in which they may stand in a file. */
export function supportText(prefix: string, codes: readonly LayerCode[]): Lines {
  const needed = new Set(codes.flatMap(({ helpers }) => [...helpers]));
  const definitions = new Map(codes.flatMap((code) => [...code.definitions]));
  return [...helpersFor(needed).map((name) => helperText(name, prefix)), ...definitions.values()].flatMap((text) => [
    text,
    '',
  ]);
}

interface Parts {
  readonly prefix: string;
  readonly about: Lines;
  readonly constants: Constants;
  readonly codes: readonly LayerCode[];
  /** Reset, run, self-test, check of weights. */
  readonly main: Lines;
}

/** Who reads an array: one layer alone, the main file alone, or several. */
type Reader = LayerCode | 'main' | 'several';

function readersOf({ codes, main, constants }: Parts): ReadonlyMap<string, Reader> {
  const text = main.join('\n');
  return new Map(
    constants.names.map((name): [string, Reader] => {
      const readers: (LayerCode | 'main')[] = codes.filter((code) => code.constants.has(name));
      if (new RegExp(`\\b${name}\\b`).test(text)) readers.push('main');
      return [name, readers.length > 1 ? 'several' : (readers[0] ?? 'main')];
    }),
  );
}

const signatureOf = ({ text }: LayerCode): string => text.find((line) => line.startsWith('static void '))!;

/** A layer's text as that of a function which other files call. */
const shown = (lines: Lines): Lines =>
  lines.map((line) => (line.startsWith('static void ') ? line.slice('static '.length) : line));

/** Texts by file name: PREFIX.c, PREFIX_layers.h, and one file for each layer, named as its function. */
export function splitSources(parts: Parts): Readonly<Record<string, Lines>> {
  const { prefix, about, constants, codes, main } = parts;
  const readers = readersOf(parts);
  const arrays = (of: Reader): readonly string[] => constants.names.filter((name) => readers.get(name) === of);
  const shared = arrays('several');
  const guard = `${prefix.toUpperCase()}_LAYERS_H`;
  const layersHeader = [
    ...about,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '',
    '#include <stdint.h>',
    '',
    ...constants.declarations(shared),
    ...codes.map((code) => `${signatureOf(code).slice('static '.length)};`),
    '',
    '#endif',
  ];
  const layers = codes.map((code) => [
    `${code.name}.c`,
    [
      ...about,
      ...includes(`${prefix}_layers`),
      ...constants.text(arrays(code)),
      ...supportText(prefix, [code]),
      ...shown(code.text),
    ],
  ]);
  const source = [
    ...about,
    `#include "${prefix}.h"`,
    ...includes(`${prefix}_layers`),
    ...constants.text(shared, 'shared'),
    ...constants.text(arrays('main')),
    ...main,
  ];
  return { [`${prefix}_layers.h`]: layersHeader, [`${prefix}.c`]: source, ...Object.fromEntries(layers) };
}
