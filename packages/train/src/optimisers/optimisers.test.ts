// Parameters and optimiser state after 100 steps against PyTorch in float32 (fixtures/make.py).
import { readFileSync } from 'node:fs';
import { GraphBuilder, tensorOf } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { Algebra } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { meanSquaredError } from '../losses/regression.ts';
import type { Network } from '../network.ts';
import { adagrad, adam, adamW, rmsProp, sgd, type Optimiser } from './optimisers.ts';

interface Run {
  readonly name: string;
  readonly options: readonly [Record<string, number>];
  readonly rate: number;
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  readonly state: Readonly<Record<string, readonly number[]>>;
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/optimisers.json', import.meta.url), 'utf8')) as {
  readonly rows: number;
  readonly steps: number;
  readonly batch: number;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly initial: Readonly<Record<string, { readonly dims: readonly number[]; readonly data: readonly number[] }>>;
  readonly runs: readonly Run[];
};

const kinds: Readonly<Record<string, (options: object) => Optimiser>> = {
  adagrad,
  adam,
  adamw: adamW,
  rmsprop: rmsProp,
  sgd,
};

function network(): Network {
  const b = new GraphBuilder('small');
  const m = new Algebra(b);
  const weight = (name: string) => {
    const { dims, data } = fixture.initial[name] as { dims: number[]; data: number[] };
    return b.initializer(name, tensorOf('float32', dims, data));
  };
  const dense = (x: ReturnType<typeof weight>, name: string) =>
    m.gemm(x, weight(`${name}.weight`), { transB: true, plus: weight(`${name}.bias`) });
  b.output('y', dense(m.tanh(dense(b.input('x', 'float32', ['batch', 3]), 'a')), 'b'));
  return { graph: b.build(), parameters: Object.keys(fixture.initial), buffers: [] };
}

/** Our Adam keeps m/(1 − β₁) and v/(1 − β₂). */
function scaleOf(run: Run, entry: string): number {
  const [{ beta1 = 0.9 }] = run.options;
  if (entry.startsWith('moment1/')) return 1 - beta1;
  return entry.startsWith('moment2/') ? 1 - 0.999 : 1;
}

function worst(got: readonly number[], want: readonly number[]): number {
  return Math.max(...want.map((x, i) => Math.abs(x - (got[i] as number)))) / Math.max(...want.map(Math.abs));
}

describe('optimisers', () => {
  test.each(fixture.runs.map((run) => [run.name, run] as const))(
    '%s: parameters and state as PyTorch after 100 steps',
    async (_, run) => {
      const { rows, steps, batch } = fixture;
      const optimiser = kinds[run.name.split(' ')[0] as string]?.(run.options[0]) as Optimiser;
      const column = (dims: number[]) => ({ dtype: 'float32' as const, dims });
      const reader = rowReader({ x: column([3]), target: column([2]) });
      const data = {
        x: { dtype: 'float32' as const, dims: [rows, 3], data: Float32Array.from(fixture.x) },
        target: { dtype: 'float32' as const, dims: [rows, 2], data: Float32Array.from(fixture.y) },
      };
      const plan = { network: network(), reader, loss: meanSquaredError, optimiser, batch };
      await using runtime = await TrainingRuntime.open({ plan, data, seed: 0 });
      const index = Int32Array.from(
        { length: steps * batch },
        (_, k) => (Math.floor(k / batch) * 7 + (k % batch) * 3) % rows,
      );
      await runtime.train(index.subarray(0, 30 * batch), new Float32Array(30).fill(run.rate));
      await runtime.train(index.subarray(30 * batch), new Float32Array(steps - 30).fill(run.rate));
      for (const [name, want] of Object.entries({ ...run.parameters, ...run.state })) {
        const got = Array.from(runtime.state.get(name)?.data as Float32Array, (x) => x * scaleOf(run, name));
        expect(worst(got, want)).toBeLessThan(5e-6);
      }
    },
  );
});
