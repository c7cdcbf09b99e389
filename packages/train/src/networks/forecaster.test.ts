// The forecasters against PyTorch (fixtures/forecaster.py), and what they promise.
import { readFileSync } from 'node:fs';
import { decodeModel, openSession, tensorOf } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { seriesReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { huber, meanAbsoluteError, meanSquaredError } from '../losses/regression.ts';
import { withInitializers } from '../network.ts';
import { adam, adamW } from '../optimisers/optimisers.ts';
import { forecasterCells, forecasterNetwork, type ForecasterCell } from './forecaster.ts';

interface Run {
  readonly cell: ForecasterCell;
  readonly loss: 'mse' | 'mae' | 'huber';
  readonly optimiser: 'adam' | 'adamw';
  readonly clipNorm: number | null;
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly losses: readonly number[];
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/forecaster.json', import.meta.url), 'utf8')) as {
  readonly window: number;
  readonly features: number;
  readonly hidden: number;
  readonly horizon: number;
  readonly batch: number;
  readonly steps: number;
  readonly rows: number;
  readonly series: readonly number[];
  readonly runs: readonly Run[];
};
const losses = { mse: meanSquaredError, mae: meanAbsoluteError, huber: huber() };
const optimisers = { adam: adam(), adamw: adamW({ weightDecay: 0.05 }) };

describe('forecasterNetwork', () => {
  test.each(fixture.runs.map((run) => [`${run.cell} ${run.loss} ${run.optimiser} clip ${run.clipNorm}`, run] as const))(
    '%s: the loss curve equals that of PyTorch within 1e-3',
    async (_, run) => {
      const { window, features, horizon, batch, rows, steps } = fixture;
      const plain = forecasterNetwork({ ...fixture, cell: run.cell });
      const weights = Object.entries(run.weights).map(([name, numbers]) => {
        const { dims } = plain.graph.initializers.get(name) as { dims: readonly number[] };
        return [name, tensorOf('float32', dims, numbers)] as const;
      });
      expect(weights.map(([name]) => name).sort()).toEqual([...plain.parameters].sort());
      const network = { ...plain, graph: withInitializers(plain.graph, new Map(weights)) };
      const clip = run.clipNorm === null ? {} : { clipNorm: run.clipNorm };
      const plan = {
        network,
        reader: seriesReader({ window, features, horizon }),
        loss: losses[run.loss],
        optimiser: optimisers[run.optimiser],
        batch,
        ...clip,
      };
      const data = {
        series: { dtype: 'float32' as const, dims: [rows, features], data: Float32Array.from(fixture.series) },
      };
      await using runtime = await TrainingRuntime.open({ plan, data, seed: 0 });
      const index = Int32Array.from(
        { length: steps * batch },
        (_, k) => (Math.floor(k / batch) * 31 + (k % batch) * 17) % (rows - window - horizon),
      );
      const rates = new Float32Array(steps).fill(0.005);
      const got = await runtime.train(index, rates);
      // the gradient of |e| jumps where an error crosses zero, so that rounding decides after a while
      const compared = run.losses.slice(0, run.loss === 'mae' ? 80 : steps);
      const worst = Math.max(...compared.map((loss, i) => Math.abs(loss - (got[i] as number)) / loss));
      expect(worst).toBeLessThan(1e-3);
    },
  );

  test.each(forecasterCells)('an untrained %s says that nothing changes', async (cell) => {
    const network = forecasterNetwork({ cell, window: 5, features: 2, horizon: 3, hidden: 4, dropout: 0.5 });
    await using session = await openSession(exportModel(network, new Map()));
    const data = Float32Array.from({ length: 3 * 5 * 2 }, (_, i) => i);
    const { forecast } = await session.run({ window: { dtype: 'float32', dims: [3, 5, 2], data } });
    expect(forecast?.dims).toEqual([3, 3]);
    expect(Array.from(forecast?.data as Float32Array)).toEqual([8, 8, 8, 18, 18, 18, 28, 28, 28]);
  });

  test('the exported model is small, has an open batch and no training nodes', () => {
    const network = forecasterNetwork({ cell: 'gru', window: 24, features: 3, horizon: 2, hidden: 8, dropout: 0.2 });
    const bytes = exportModel(network, new Map(), { metadata: { project: 'temperature' } });
    const model = decodeModel(bytes);
    expect(model.metadata.get('project')).toBe('temperature');
    expect(model.graph.inputs.map(({ name, shape }) => [name, shape])).toEqual([['window', ['batch', 24, 3]]]);
    expect(model.graph.outputs.map(({ name, shape }) => [name, shape])).toEqual([['forecast', ['batch', 2]]]);
    expect(model.graph.nodes.map(({ opType }) => opType)).not.toContain('Dropout');
    expect(model.graph.nodes.map(({ opType }) => opType)).toContain('GRU');
    const numbers = (8 * 3 * (3 + 8) + 6 * 8 + 2 * 8 + 2) * 4;
    expect(bytes.length).toBeLessThan(numbers + 1500);
  });

  test.each([
    [{ window: 0 }, 'window'],
    [{ hidden: 1.5 }, 'hidden'],
    [{ dropout: 1 }, 'dropout'],
    [{ cell: 'elman' as ForecasterCell }, 'cell'],
  ])('refuses %o', (wrong, where) => {
    expect(() => forecasterNetwork({ cell: 'gru', window: 4, features: 1, horizon: 1, hidden: 2, ...wrong })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', where }),
    );
  });
});
