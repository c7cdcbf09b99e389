// The public compatibility page, made from the operator table.
import { families, operators } from './operators/table.ts';
import { runtimeOperatorNames } from './runtime-operators.ts';
import type { OperatorRule } from './operators/rule.ts';

/** OPERATORS.md as it must be. */
export function compatibilityPage(): string {
  const parts = Object.entries(families).flatMap(([family, rules]) => [
    `## ${family}`,
    '',
    '| operator | element types | what is generated |',
    '|---|---|---|',
    ...Object.entries(rules as Record<string, OperatorRule>).map(
      ([name, { covers, types = ['float32', 'float64'], constants = [], inputs }]) =>
        `| ${name} | ${typesText(types)} | ${covers}${constantText(constants, inputs)} |`,
    ),
    '',
  ]);
  return [
    '# Operators that C is generated for',
    '',
    `${Object.keys(operators).length} operators of the ONNX domain, opset 7 and newer. This page is made from the operator table: \`node packages/micro/src/write-operators.ts\`.`,
    'Anything else is refused with the name of the node, its operator and what to do. Integer arithmetic wraps around; indices computed at run time are kept inside their tensor.',
    '',
    ...parts,
    "## ONNX Runtime's domain",
    '',
    `What its quantiser writes in operator form (com.microsoft) is taken with scales and zero points as ONNX has them, channels first: ${runtimeOperatorNames.join(', ')}.`,
    '',
  ].join('\n');
}

function typesText(types: readonly string[]): string {
  if (types.length >= 11) return 'all';
  return types.length >= 10 ? 'all but bool' : types.join(', ');
}

function constantText(constants: readonly number[], inputs: readonly string[]): string {
  const names = constants.flatMap((index) => inputs[index] ?? []);
  return names.length === 0 ? '' : `; constant inputs: ${names.join(', ')}`;
}
