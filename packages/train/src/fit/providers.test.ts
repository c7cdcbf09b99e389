// One code path for all providers: the CPU, an accelerator where there is one, and a clear refusal where there is none.
import { describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { denseAutoencoder } from '../networks/autoencoders.ts';
import { adam } from '../optimisers/optimisers.ts';
import { fit, type FitOptions } from './fit.ts';
import { withProvider, type ExecutionProvider } from './providers.ts';

const rows = 32;
const x = {
  dtype: 'float32' as const,
  dims: [rows, 6],
  data: Float32Array.from({ length: rows * 6 }, (_, i) => Math.sin(i)),
};
const column = { dtype: 'float32' as const, dims: [6] };
const options: FitOptions = {
  plan: {
    network: denseAutoencoder({ inputs: 6, units: [4] }),
    reader: rowReader({ x: column, target: column }),
    loss: meanSquaredError,
    optimiser: adam(),
    batch: 8,
  },
  data: { x, target: x },
  train: Int32Array.from({ length: rows }, (_, i) => i),
  epochs: 3,
  learningRate: 0.01,
};
const losses = async (executionProviders?: readonly ExecutionProvider[]) => {
  const { history, provider } = await fit({ ...options, ...(executionProviders && { executionProviders }) });
  return { provider, losses: history.map(({ trainLoss }) => trainLoss) };
};

describe('execution providers', () => {
  test('the CPU is what computes unless another is asked for', async () => {
    const plain = await losses();
    expect(plain.provider).toBe('cpu');
    expect(await losses(['cpu'])).toEqual(plain);
  });

  test.each(['cuda', 'webgpu'] as const)('%s trains as the CPU does, or says what is missing', async (provider) => {
    const cpu = await losses();
    const alone = await losses([provider]).catch((error: unknown) => error);
    const backed = await losses([provider, 'cpu']);
    if (alone instanceof Error) {
      expect(alone).toMatchObject({ code: 'UNAVAILABLE', where: 'executionProviders' });
      expect(alone.message).toContain(`${provider} needs`);
      expect((alone as unknown as { details: { missing: object } }).details.missing).toHaveProperty(provider);
      expect(backed).toEqual(cpu);
      return;
    }
    expect(backed.provider).toBe(provider);
    for (const [i, loss] of cpu.losses.entries()) expect(backed.losses[i]).toBeCloseTo(loss, 4);
  });

  test('a provider that loads but cannot run the training gives way to the next, or is named with its reason', async () => {
    const opened: string[] = [];
    const open = async (provider: ExecutionProvider) => {
      opened.push(provider);
      if (provider !== 'cpu') throw new Error('MaxPool is not supported yet');
      return provider;
    };
    expect(await withProvider(['webgpu', 'cpu'], open)).toBe('cpu');
    const loads = opened.includes('webgpu');
    await expect(withProvider(['webgpu'], open)).rejects.toMatchObject(
      loads
        ? { code: 'UNSUPPORTED', message: expect.stringContaining('webgpu cannot run this training: MaxPool is not') }
        : { code: 'UNAVAILABLE', message: expect.stringContaining('webgpu needs') },
    );
  });

  test.each(['', 'gpu', 'cpu,toString'])('refuses "%s"', async (names) => {
    const wrong = names.split(',').filter(Boolean) as ExecutionProvider[];
    await expect(losses(wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where: 'executionProviders' });
  });
});
