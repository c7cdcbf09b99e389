// Random models as C, many to a program: made one after another, compiled together under the sanitizers, held against what they should answer.
import { compileForHost, type Elements, type Generated, type HostOptions } from '@sanderling/micro';

/** A model that has been made: its code, its inputs, and what a reference answers. */
export interface MadeModel {
  readonly seed: number;
  readonly generated: Generated;
  readonly calls: readonly Elements[];
  readonly wanted: readonly Elements[];
}

/** How a range of seeds is tried. */
interface Trial<Made extends MadeModel> {
  readonly count: number;
  readonly first: number;
  /** Models in one program. */
  readonly perProgram: number;
  /** How the programs are built, beside the sanitizers. */
  readonly options: HostOptions;
  /** Makes the model of a seed; undefined for one that the reference itself refuses. */
  readonly make: (seed: number) => Promise<Made | undefined>;
  /** Looks at what the C answered; a text is a problem. */
  readonly check: (made: Made, answers: readonly Elements[]) => string | undefined;
}

/** What came of it. `ratios`: arena over lower bound of each model with an arena, in order. */
export interface Tried {
  readonly problems: readonly string[];
  readonly refused: number;
  readonly ratios: readonly number[];
  readonly seconds: number;
}

/** Tries seeds first … first + count − 1. */
export async function tryModels<Made extends MadeModel>(trial: Trial<Made>): Promise<Tried> {
  const { count, first, perProgram, make } = trial;
  const started = performance.now();
  const problems: string[] = [];
  const ratios: number[] = [];
  let refused = 0;
  let batch: Made[] = [];
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      const made = await make(seed);
      if (made) {
        const { arenaBytes, boundBytes } = made.generated.report;
        if (boundBytes > 0) ratios.push(arenaBytes / boundBytes);
        batch.push(made);
      } else refused += 1;
    } catch (error) {
      problems.push(`seed ${seed}: ${(error as Error).message}`);
    }
    if (batch.length < perProgram && seed + 1 < first + count) continue;
    problems.push(...(await problemsOf(batch, trial)));
    batch = [];
  }
  const seconds = (performance.now() - started) / 1000;
  return { problems, refused, ratios: ratios.toSorted((a, b) => a - b), seconds };
}

async function problemsOf<Made extends MadeModel>(
  batch: readonly Made[],
  { options, check }: Trial<Made>,
): Promise<readonly string[]> {
  if (batch.length === 0) return [];
  const problems: string[] = [];
  try {
    const generated = batch.map((one) => one.generated);
    await using host = await compileForHost(generated, { ...options, sanitize: true });
    for (const [i, made] of batch.entries()) {
      const found = await host.run(made.calls, i).then(
        (answers) => check(made, answers),
        (error: Error) => error.message.slice(0, 400),
      );
      if (found !== undefined) problems.push(`seed ${made.seed}: ${found}`);
    }
  } catch (error) {
    const seeds = `${batch[0]!.seed} to ${batch.at(-1)!.seed}`;
    problems.push(`the batch of seeds ${seeds} does not compile: ${(error as Error).message.slice(0, 600)}`);
  }
  return problems;
}

/** Names with how often they occurred, by name. */
export function tallyText(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b));
  return sorted.map(([name, times]) => `${name} ${times}`).join(', ');
}

/** Median, 99th percentile and worst of sorted ratios. */
export function quantilesText(ratios: readonly number[]): string {
  const at = (q: number): number | undefined => ratios[Math.min(ratios.length - 1, Math.floor(q * ratios.length))];
  return [0.5, 0.99, 1].map((q) => at(q)?.toFixed(3)).join(', ');
}
