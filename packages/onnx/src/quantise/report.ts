// How much quantisation changed each value: the ratio of signal to quantisation noise.
import type { Model } from '../ir.ts';
import { openSession, type Feeds } from '../run/session.ts';
import { runOn, withOutputs } from './calibrate.ts';

/** One value before and after. `decibels`: 10 log10(Σ float² / Σ (float − quantised)²); Infinity where nothing changed. */
export interface LayerNoise {
  readonly value: string;
  readonly operator: string;
  readonly decibels: number;
}

/**
 * Runs both models on the same samples and compares every value that both have, worst first: candidates for `skip`.
 * @throws as `openSession` and `Session.run`.
 */
export async function quantisationNoise(
  float: Model,
  quantised: Model,
  samples: readonly Feeds[],
): Promise<readonly LayerNoise[]> {
  const made = new Set(quantised.graph.nodes.flatMap(({ outputs }) => outputs));
  const counterpart = (name: string): string => (made.has(`${name}.dequantised`) ? `${name}.dequantised` : name);
  const shared = float.graph.nodes
    .flatMap(({ outputs }) => outputs)
    .filter((name) => name !== '' && made.has(counterpart(name)));
  const before = withOutputs(float, shared);
  if (before.names.length === 0) return [];
  const after = withOutputs(quantised, before.names.map(counterpart));
  const [signal, noise] = [new Map<string, number>(), new Map<string, number>()];
  await using a = await openSession(before.model);
  await using b = await openSession(after.model);
  for (const feeds of samples) {
    const [exact, rough] = [await runOn(a, feeds), await runOn(b, feeds)];
    for (const name of before.names) {
      const other = rough[counterpart(name)]!.data as Float32Array;
      for (const [i, value] of (exact[name]!.data as Float32Array).entries()) {
        signal.set(name, (signal.get(name) ?? 0) + value ** 2);
        noise.set(name, (noise.get(name) ?? 0) + (value - other[i]!) ** 2);
      }
    }
  }
  const operators = new Map(
    float.graph.nodes.flatMap(({ opType, outputs }) => outputs.map((name) => [name, opType] as const)),
  );
  const decibels = (name: string): number => 10 * Math.log10(signal.get(name)! / noise.get(name)!);
  return before.names
    .map((name) => ({
      value: name,
      operator: operators.get(name) ?? '',
      decibels: noise.get(name) === 0 ? Infinity : decibels(name),
    }))
    .toSorted((x, y) => x.decibels - y.decibels);
}
