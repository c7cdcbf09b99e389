// The .c and .h of a program.
import type { Layer, Program } from '../ir.ts';
import type { MemoryPlan } from '../memory/plan.ts';
import type { GenerateOptions } from '../options.ts';
import { indented, type Lines } from './c-text.ts';
import { helperConstantBytes } from './c-helpers.ts';
import { Constants, elementsOf } from './constants.ts';
import { headerText, interfaceOf, resetSignature, type CInterface } from './interface.ts';
import { writeLayer } from './layers.ts';
import { RunWriter } from './run.ts';
import { selfTestText } from './self-test.ts';
import { includes, splitSources, supportText } from './split.ts';
import { sealedBlob, weightsCheckText, weightsHeaderText } from './weights.ts';

/** The written program. */
export interface Written {
  readonly face: CInterface;
  readonly files: Readonly<Record<string, string>>;
  readonly constantBytes: number;
  /** Bytes of constants that each layer reads. */
  readonly layerConstantBytes: ReadonlyMap<Layer, number>;
  /** What the code takes as `weights`; undefined where the constants are in the code. */
  readonly blob: Uint8Array | undefined;
}

/** What of the options is asked for here. */
type WriteOptions = Pick<GenerateOptions, 'selfTest' | 'weights' | 'blobFrom' | 'split'>;

const fileText = (lines: Lines): string => `${lines.join('\n').replace(/\n+$/, '')}\n`;

/** Writes all files. @throws as the rules and {@link selfTestText}. */
export function writeFiles(program: Program, plan: MemoryPlan, options: WriteOptions): Written {
  const { selfTest, weights = 'const', blobFrom = 0 } = options;
  const blobs = weights === 'blob';
  const face = interfaceOf(program, plan, { selfTest: selfTest !== undefined, weights: blobs });
  const constants = new Constants(program.name, blobs ? blobFrom : undefined);
  const sheet = { prefix: program.name, constants };
  const codes = program.layers.filter((layer) => !plan.free.has(layer)).map((layer) => writeLayer(layer, sheet));
  const run = new RunWriter({ program, plan, face, constants }).text(codes);
  const reset = face.states.length > 0 ? resetText(program, face, constants) : [];
  const needed = new Set(codes.flatMap(({ helpers }) => [...helpers]));
  const tables = [...needed].reduce((sum, name) => sum + helperConstantBytes(name), 0);
  const modelBytes = constants.bytes + tables;
  const test = selfTest ? selfTestText(face, selfTest, constants) : [];
  const about = aboutText(program, plan, modelBytes);
  const main = [...reset, ...run, ...test];
  const body = [...supportText(program.name, codes), ...codes.flatMap(({ text }) => text), ...main];
  const blob = blobs
    ? sealedBlob(constants.blob(), [...headerText(face, [], []), ...constants.text(), ...body].join('\n'))
    : undefined;
  const check = blob ? weightsCheckText(program.name, blob) : [];
  const header = headerText(face, about, blob ? weightsHeaderText(program.name, blob) : []);
  const sources = options.split
    ? splitSources({ prefix: program.name, about, constants, codes, main: [...main, ...check] })
    : { [`${program.name}.c`]: [...about, ...includes(program.name), ...constants.text(), ...body, ...check] };
  const files = Object.fromEntries(
    Object.entries({ [`${program.name}.h`]: header, ...sources }).map(([name, lines]) => [name, fileText(lines)]),
  );
  const perLayer = codes.map(
    ({ layer, constants: read }) => [layer, [...read].reduce((sum, name) => sum + constants.bytesOf(name), 0)] as const,
  );
  return { face, files, constantBytes: modelBytes, layerConstantBytes: new Map(perLayer), blob };
}

function aboutText(program: Program, plan: MemoryPlan, constantBytes: number): Lines {
  return [
    '/*',
    ` * ${program.name}: generated from an ONNX model by Sanderling. Do not edit.`,
    ` * ${program.layers.length} layer${program.layers.length === 1 ? '' : 's'}, ${constantBytes} bytes of constants, ${plan.arenaBytes} bytes of working memory.`,
    ' */',
  ];
}

function resetText(program: Program, face: CInterface, constants: Constants): Lines {
  const lines = program.states.map(({ input, initial }, i) => {
    const { c } = face.states[i]!;
    if (!initial) return `memset(state->${c}, 0, sizeof state->${c});`;
    const name = constants.add(`initial_${input.name}`, input.dtype, elementsOf(initial));
    return `memcpy(state->${c}, ${constants.pointer(name)}, sizeof state->${c});`;
  });
  return [resetSignature(face), '{', ...indented(lines), '}', ''];
}
