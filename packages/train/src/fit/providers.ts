// What computes: the CPU, or an accelerator through one of ONNX Runtime's execution providers, where this machine has it.
import { SanderlingError } from '@sanderling/kit';
import { GraphBuilder, modelOf, openSession } from '@sanderling/onnx';

/** What each provider needs beyond the package, for the message when it is not there. */
const needs = {
  cpu: 'nothing',
  cuda: "an NVIDIA driver, CUDA and cuDNN, and ONNX Runtime's CUDA libraries, which the install script of onnxruntime-node fetches (`npm rebuild onnxruntime-node --ignore-scripts=false`)",
  webgpu: 'a graphics driver with Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows)',
} as const satisfies Record<string, string>;

/** A way to compute a training. */
export type ExecutionProvider = keyof typeof needs;

/** A graph of one node: opening it is what finds out whether a provider loads. */
function probe() {
  const builder = new GraphBuilder('probe');
  builder.output('y', builder.op('Relu', [builder.input('x', 'float32', [1])]));
  return modelOf(builder.build());
}

/**
 * The first provider of a list that loads on this machine: `['cuda', 'cpu']` is CUDA where there is CUDA and the CPU elsewhere, `['cuda']` is CUDA or
 * an error. Operators that a provider does not have run on the CPU in any case.
 * @throws INVALID_ARGUMENT for an empty list or an unknown name; UNAVAILABLE when none loads, saying for each what is missing.
 */
export async function chosenProvider(wanted: readonly ExecutionProvider[]): Promise<ExecutionProvider> {
  const where = 'executionProviders';
  const unknown = wanted.find((name) => !Object.hasOwn(needs, name));
  if (wanted.length === 0 || unknown !== undefined) {
    const what = unknown === undefined ? 'no execution provider is named' : `there is no provider "${String(unknown)}"`;
    throw new SanderlingError('INVALID_ARGUMENT', `${what}; there are ${Object.keys(needs).join(', ')}`, { where });
  }
  const missing: Record<string, string> = {};
  for (const provider of wanted) {
    const refusal = provider === 'cpu' ? undefined : await refusalOf(provider);
    if (refusal === undefined) return provider;
    missing[provider] = refusal;
  }
  const each = wanted.map((provider) => `${provider} needs ${needs[provider]}`);
  throw new SanderlingError('UNAVAILABLE', `no execution provider can be used on this machine: ${each.join('; ')}`, {
    where,
    fix: "install what is missing, or add 'cpu' to the list",
    details: { missing },
  });
}

/** What the runtime says when a provider does not load; undefined when it does. */
async function refusalOf(provider: ExecutionProvider): Promise<string | undefined> {
  try {
    await (await openSession(probe(), { providers: [provider] })).close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
