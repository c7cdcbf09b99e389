// The header and the source of a detector, of parts written for a detector called `detector`.
import { comment, type Lines } from '../emit/c-text.ts';
import { cutAfter, defines, readText, renamed, type Constant } from './template.ts';

/** What a detector is made of. */
export interface DetectorText {
  readonly about: Lines;
  readonly constants: readonly Constant[];
  readonly stateBytes: number;
  /** The C parameter of an update. */
  readonly sample: string;
  /** The file in `c/` that begins with the state. */
  readonly main: string;
  /** C text in front of its code. */
  readonly before: readonly string[];
  readonly door: 'door' | 'vector-door';
}

/** A file of `c/`. */
export const part = (name: string): string => readText(`./c/${name}.c`, import.meta.url);

const doors = (sample: string): Lines => [
  '/* Forgets everything, as if new. */',
  'void detector_reset(detector_state *state);',
  '',
  '/* Takes one sample. Gives DETECTOR_DRIFT or DETECTOR_WARNING or neither; with DETECTOR_REFUSED the sample was none and nothing has changed. */',
  `uint32_t detector_update(detector_state *state, ${sample});`,
  '',
  '/* Test statistic over its threshold at the newest sample: 0 none, at least 1 exactly when it raised the alarm. */',
  'double detector_evidence(const detector_state *state);',
];

const primeDoor: Lines = [
  '',
  '/* Starts from a known mean as if it had been seen in n samples. */',
  'void detector_prime(detector_state *state, double mean, double n);',
];

/** Writes NAME.h and NAME.c. */
export function writeDetector(name: string, text: DetectorText): Readonly<Record<string, string>> {
  const { types, code } = cutAfter(part(text.main), 'detector_state');
  const body = code.join('\n');
  // Priming calls the reset of the door, which calls what comes before it.
  const primed = body.indexOf('void detector_prime(');
  const used = ['larger', 'judge'].filter((helper) => body.includes(`detector_${helper}(`));
  const parts = [
    ...text.before,
    ...used.map(part),
    primed < 0 ? body : body.slice(0, primed).trimEnd(),
    part(text.door),
    part('evidence'),
    ...(primed < 0 ? [] : [body.slice(primed)]),
  ];
  const about = ['/*', ...text.about.map((line) => ` * ${comment(line)}`), ' */'];
  const source = [
    ...about,
    '#include "detector_.h"',
    '',
    '#include <math.h>',
    '#include <string.h>',
    '',
    parts.join('\n\n'),
  ];
  const header = headerText(text, about, { types, doors: [...doors(text.sample), ...(primed < 0 ? [] : primeDoor)] });
  const write = (lines: Lines): string => `${renamed(lines.join('\n'), 'detector', name)}\n`;
  return { [`${name}.h`]: write(header), [`${name}.c`]: write(source).replace(`"${name}_.h"`, `"${name}.h"`) };
}

function headerText(
  { constants, stateBytes }: DetectorText,
  about: Lines,
  { types, doors }: { readonly types: Lines; readonly doors: Lines },
): Lines {
  return [
    ...about,
    '#ifndef DETECTOR_INCLUDED',
    '#define DETECTOR_INCLUDED',
    '',
    '#include <stdint.h>',
    '',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    '/* What an update gives. */',
    '#define DETECTOR_DRIFT 1U',
    '#define DETECTOR_WARNING 2U',
    '#define DETECTOR_REFUSED 4U',
    '',
    ...defines('detector', constants),
    '',
    ...types,
    '',
    '/* The whole memory of the detector. */',
    `#define DETECTOR_STATE_BYTES ${stateBytes}U`,
    'typedef char detector_state_is_as_reported[(sizeof(detector_state) == DETECTOR_STATE_BYTES) ? 1 : -1];',
    '',
    ...doors,
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '',
    '#endif',
  ];
}
