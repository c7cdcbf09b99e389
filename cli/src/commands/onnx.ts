// sanderling onnx: look into model files without a hub.
import { SanderlingError } from '@sanderling/kit';
import { checkFile, diffFiles, inspectFile } from '@sanderling/onnx';
import type { CommandGroup } from './command.ts';

export const onnxCommands: CommandGroup = (program, run) => {
  const onnx = program.command('onnx').description('look into model files');
  onnx
    .command('inspect')
    .argument('<model>', 'ONNX file')
    .option('--full', 'print every node')
    .option('--size <name=n...>', 'numbers for symbolic dimensions, for the count of operations')
    .description('inputs, outputs, operators, parameters, operations')
    .action((model: string, flags: { full?: boolean; size?: string[] }, command) =>
      run(command, async () => {
        const { inspection, text } = await inspectFile(model, {
          full: flags.full ?? false,
          sizes: sizesOf(flags.size ?? []),
        });
        return { data: inspection, text: text.trimEnd() };
      }),
    );
  onnx
    .command('check')
    .argument('<model>', 'ONNX file')
    .description('find what is wrong with a model; status 3 when something is')
    .action((model: string, _flags, command) =>
      run(command, async ({ print, json }) => {
        const { ok, problems, text } = await checkFile(model);
        if (ok) return { data: { ok, problems }, text: text.trimEnd() };
        if (!json) print(text.trimEnd());
        throw new SanderlingError('INVALID_MODEL', `${model} is not a valid model`, {
          where: model,
          details: { problems },
        });
      }),
    );
  onnx
    .command('diff')
    .argument('<before>', 'ONNX file')
    .argument('<after>', 'ONNX file')
    .description('what changed from one model to another')
    .action((before: string, after: string, _flags, command) =>
      run(command, async () => {
        const { text, ...data } = await diffFiles(before, after);
        return { data, text: text.trimEnd() };
      }),
    );
};

function sizesOf(pairs: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', size] = pair.split('=');
      if (!Number.isSafeInteger(Number(size)) || size === undefined)
        throw new SanderlingError('INVALID_ARGUMENT', `"${pair}" is not name=number`, { where: '--size' });
      return [name, Number(size)];
    }),
  );
}
