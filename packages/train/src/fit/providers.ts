// What computes: the CPU, or an accelerator through one of ONNX Runtime's execution providers, where this machine has it.
import { SanderlingError } from '@sanderling/kit';
import { GraphBuilder, modelOf, openSession } from '@sanderling/onnx';

/** What each provider needs beyond the package, for the message when it is not there. */
const needs = {
  cpu: 'nothing',
  cuda: "Linux x64, an NVIDIA driver, CUDA 12 and cuDNN, and ONNX Runtime's CUDA libraries, which the npm package leaves out (`node node_modules/onnxruntime-node/script/install.js` fetches them)",
  webgpu: 'a graphics driver with Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows)',
} as const satisfies Record<string, string>;

/** A way to compute a training. */
export type ExecutionProvider = keyof typeof needs;

const where = 'executionProviders';

/** A graph of one node: opening it is what finds out whether a provider loads. */
function probe() {
  const builder = new GraphBuilder('probe');
  builder.output('y', builder.op('Relu', [builder.input('x', 'float32', [1])]));
  return modelOf(builder.build());
}

/**
 * Opens something with the first provider of a list that loads on this machine and can do it: `['cuda', 'cpu']` is CUDA where there is CUDA and the CPU
 * elsewhere, `['cuda']` is CUDA or an error. @param open Opens and tries; what it throws with an accelerator counts against that provider.
 * @throws INVALID_ARGUMENT for an empty list or an unknown name; UNAVAILABLE when none loads, saying for each what is missing; UNSUPPORTED when one
 *   loads but cannot do it, with the runtime's reason.
 */
export async function withProvider<T>(
  wanted: readonly ExecutionProvider[],
  open: (provider: ExecutionProvider) => Promise<T>,
): Promise<T> {
  checkNames(wanted);
  const missing: Record<string, string> = {};
  const unable: Record<string, string> = {};
  for (const provider of wanted) {
    if (provider === 'cpu') return await open(provider);
    const refusal = await refusalOf(provider);
    if (refusal !== undefined) {
      missing[provider] = refusal;
      continue;
    }
    try {
      return await open(provider);
    } catch (error) {
      unable[provider] = messageOf(error);
    }
  }
  throw refused(missing, unable);
}

function checkNames(wanted: readonly ExecutionProvider[]): void {
  const unknown = wanted.find((name) => !Object.hasOwn(needs, name));
  if (wanted.length > 0 && unknown === undefined) return;
  const what = unknown === undefined ? 'no execution provider is named' : `there is no provider "${String(unknown)}"`;
  throw new SanderlingError('INVALID_ARGUMENT', `${what}; there are ${Object.keys(needs).join(', ')}`, { where });
}

function refused(missing: Readonly<Record<string, string>>, unable: Readonly<Record<string, string>>): SanderlingError {
  const reasons = [
    ...Object.keys(missing).map((provider) => `${provider} needs ${needs[provider as ExecutionProvider]}`),
    ...Object.entries(unable).map(([provider, reason]) => `${provider} cannot run this training: ${reason}`),
  ];
  const code = Object.keys(unable).length > 0 ? 'UNSUPPORTED' : 'UNAVAILABLE';
  return new SanderlingError(code, `no execution provider can be used on this machine: ${reasons.join('; ')}`, {
    where,
    fix: "install what is missing, or add 'cpu' to the list",
    details: { missing, unable },
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the runtime says when a provider does not load; undefined when it does. */
async function refusalOf(provider: ExecutionProvider): Promise<string | undefined> {
  try {
    await (await openSession(probe(), { providers: [provider] })).close();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
