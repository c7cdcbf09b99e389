// C around generated code for boards: a main that runs calls from a file and measures, one that only links, and marks between layers.
import { elementTypes } from '../ir.ts';
import type { CInterface, Port } from '../emit/interface.ts';
import type { Generated } from '../generate.ts';

type Lines = readonly string[];

const declared = ({ dtype, c, count }: Port): string =>
  `static ${elementTypes[dtype].c} ${c}[${count}] __attribute__((section(".buffers"), aligned(8)));`;

/** The model's memory, where the linker scripts put each kind. */
function memoryOf(face: CInterface): Lines {
  const { prefix, inputs, outputs, states, arenaBytes, selfTest } = face;
  return [
    ...[...inputs, ...outputs].map(declared),
    ...(states.length > 0 ? [`static ${prefix}_state state;`] : []),
    ...(arenaBytes > 0 ? [`static ${prefix}_arena arena __attribute__((section(".arena")));`] : []),
    ...(selfTest && outputs.length > 0
      ? [`static ${prefix}_self_test_room room __attribute__((section(".buffers")));`]
      : []),
  ];
}

const placesOf = ({ states, arenaBytes, weights }: CInterface): Lines => [
  ...(states.length > 0 ? ['&state'] : []),
  ...(arenaBytes > 0 ? ['&arena'] : []),
  ...(weights ? ['weights'] : []),
];

const callOf = (face: CInterface): string =>
  `${face.prefix}_run(${[...placesOf(face), ...[...face.inputs, ...face.outputs].map(({ c }) => c)].join(', ')});`;

const resetOf = ({ prefix, states, resetWeights }: CInterface): Lines =>
  states.length > 0 ? [`${prefix}_reset(&state${resetWeights ? ', weights' : ''});`] : [];

/** Bytes of the blob, as the header says. */
const weightsBytes = ({ prefix }: CInterface): string => `${prefix.toUpperCase()}_WEIGHTS_BYTES`;

function selfTestOf(face: CInterface): string {
  const { prefix, outputs, selfTest } = face;
  if (!selfTest) return '0';
  return `${prefix}_self_test(${[...placesOf(face), ...(outputs.length > 0 ? ['&room'] : [])].join(', ')})`;
}

/** Files that the measuring firmware reads and writes in its folder. */
export const inputFile = 'input.bin';
export const outputFile = 'output.bin';
export const weightsFile = 'weights.bin';

/** Fetches the blob and lets the code check it. */
const fetchWeights = ({ prefix }: CInterface): Lines => [
  `    const int32_t blob = host_open("${weightsFile}", false);`,
  '    ok = ok && blob >= 0 && host_read(blob, weights, sizeof weights);',
  `    ok = ok && ${prefix}_weights_check(weights, sizeof weights) == 0;`,
];

/**
 * A main that runs `calls` calls. It reads the inputs of each from {@link inputFile}; it writes to {@link outputFile} for each the ticks (uint64),
 * the stack of the call (uint32), the ticks at two marks before it and at `marks` marks in it (uint64, if there are any), the outputs; at the end the answer
 * of the self-test (int32).
 */
export function measuringMain({ face }: Generated, calls: number, marks = 0): string {
  const fed = face.inputs.map(({ c }) => `        ok = ok && host_read(in, ${c}, sizeof ${c});`);
  const told = face.outputs.map(({ c }) => `        ok = ok && host_write(out, ${c}, sizeof ${c});`);
  return [
    `#include "${face.prefix}.h"`,
    '#include "board.h"',
    '#include "semihosting.h"',
    ...memoryOf(face),
    ...(face.weights
      ? [`static uint8_t weights[${weightsBytes(face)}] __attribute__((section(".buffers"), aligned(8)));`]
      : []),
    ...(marks > 0
      ? [
          `static uint64_t marks[${marks + 2}];`,
          'static uint32_t marked;',
          'void sanderling_mark(void);',
          'void sanderling_mark(void) { marks[marked] = board_ticks(); marked += 1u; }',
        ]
      : []),
    'int main(void)',
    '{',
    `    const int32_t in = host_open("${inputFile}", false);`,
    `    const int32_t out = host_open("${outputFile}", true);`,
    '    bool ok = in >= 0 && out >= 0;',
    ...(face.weights ? fetchWeights(face) : []),
    ...resetOf(face).map((line) => `    ${line}`),
    '    const uint64_t before = board_ticks();',
    '    const uint64_t empty = board_ticks() - before;',
    `    for (uint32_t call = 0; ok && call < ${calls}u; call += 1u) {`,
    ...fed,
    '        stack_paint();',
    '        const uint32_t depth = stack_peak();',
    '        const uint64_t start = board_ticks();',
    ...(marks > 0 ? ['        marked = 0u;', '        sanderling_mark();', '        sanderling_mark();'] : []),
    `        ${callOf(face)}`,
    '        const uint64_t ticks = board_ticks() - start - empty;',
    '        const uint32_t stack = stack_peak() - depth;',
    '        ok = ok && host_write(out, &ticks, sizeof ticks) && host_write(out, &stack, sizeof stack);',
    ...(marks > 0 ? ['        ok = ok && host_write(out, marks, sizeof marks);'] : []),
    ...told,
    '    }',
    `    const int32_t failed = ${selfTestOf(face)};`,
    '    ok = ok && host_write(out, &failed, sizeof failed);',
    '    return ok ? 0 : 3;',
    '}',
    '',
  ].join('\n');
}

/** A main that holds the model as a device's firmware does; for a link that is not run. */
export function linkingMain({ face }: Generated): string {
  return [
    `#include "${face.prefix}.h"`,
    '#include "board.h"',
    ...memoryOf(face),
    // What the blob holds does not matter here, its size does.
    ...(face.weights
      ? [
          `static const uint8_t weights[${weightsBytes(face)}] __attribute__((section(".rodata.weights"), aligned(8))) = {1};`,
        ]
      : []),
    'int main(void)',
    '{',
    ...resetOf(face).map((line) => `    ${line}`),
    `    if (${selfTestOf(face)} != 0) { return 1; }`,
    '    for (;;) {',
    ...face.inputs.map(({ c }) => `        (void)link_read((uint8_t *)${c}, sizeof ${c});`),
    `        ${callOf(face)}`,
    ...face.outputs.map(({ c }) => `        (void)link_write((const uint8_t *)${c}, sizeof ${c});`),
    '    }',
    '}',
    '',
  ].join('\n');
}

/** Generated code that calls sanderling_mark after each layer; `layers`: their indices in that order. */
export interface Marked {
  readonly files: Readonly<Record<string, string>>;
  readonly layers: readonly number[];
}

/** Puts a mark behind each layer's call in NAME_run. */
export function markLayers({ files, face: { prefix } }: Generated): Marked {
  const layers: number[] = [];
  const call = new RegExp(`^( +)${prefix}_layer_(\\d+)\\w*\\([^;]*\\);$`, 'gm');
  const marked = Object.entries(files).map(([name, text]): readonly [string, string] => {
    const at = text.search(new RegExp(`^void ${prefix}_run\\([^;{]*\\{`, 'm'));
    if (!name.endsWith('.c') || at < 0) return [name, text];
    const body = text.slice(at).replace(/^[^]*?^\}$/m, (run) =>
      run.replace(call, (line, indent: string, index: string) => {
        layers.push(Number(index));
        return `${line}\n${indent}sanderling_mark();`;
      }),
    );
    return [name, `void sanderling_mark(void);\n${text.slice(0, at)}${body}`];
  });
  return { files: Object.fromEntries(marked), layers };
}
