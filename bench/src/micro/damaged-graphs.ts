// Models with one damaged node: each is refused with a coded error, or its code runs clean under AddressSanitizer and UndefinedBehaviorSanitizer.
// Run: node bench/src/micro/damaged-graphs.ts [COUNT=2000: float; half as many int8, a quarter as many with weights in a blob] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { createRandom, SanderlingError } from '@sanderling/kit';
import { compileForHost, generateC, type Generated, type GenerateOptions } from '@sanderling/micro';
import { damagedModel, damagedQuantisedModel, randomFloats } from '@sanderling/micro/testing';
import type { Model } from '@sanderling/onnx';

const [count, first] = [Number(process.argv[2] ?? 2000), Number(process.argv[3] ?? 1)];

interface Made {
  readonly seed: number;
  readonly generated: Generated;
}

/** Damages `seeds` models of a kind, and tells what became of them. */
class Trial {
  readonly #damaged: (seed: number) => Model | Promise<Model>;
  readonly #options: GenerateOptions;
  readonly codes = new Map<string, number>();
  readonly problems: string[] = [];
  #waiting: Made[] = [];

  constructor(damaged: (seed: number) => Model | Promise<Model>, options: GenerateOptions) {
    this.#damaged = damaged;
    this.#options = options;
  }

  async run(seeds: number): Promise<void> {
    for (let seed = first; seed < first + seeds; seed += 1) {
      await this.#one(seed);
      if (this.#waiting.length === 30) await this.#drain();
    }
    await this.#drain();
  }

  #tally(code: string): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  async #one(seed: number): Promise<void> {
    try {
      const options = { name: `d${seed}`, maxBytes: 2 ** 20, ...this.#options };
      this.#waiting.push({ seed, generated: await generateC(await this.#damaged(seed), options) });
    } catch (error) {
      if (error instanceof SanderlingError && error.code !== 'INTERNAL') return this.#tally(`refused: ${error.code}`);
      const where = String((error as Error).stack)
        .split('\n')
        .slice(1, 4)
        .join(' ')
        .replaceAll(new URL('../../..', import.meta.url).href, '');
      this.problems.push(`seed ${seed}: ${String(error)} ${where}`);
    }
  }

  async #drain(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    await this.#check(batch);
  }

  async #check(batch: readonly Made[]): Promise<void> {
    if (batch.length === 0) return;
    const generated = batch.map((one) => one.generated);
    const options = { sanitize: true, optimise: '-O0', flags: ['-Wno-array-bounds'], timeout: 300_000 };
    try {
      await using host = await compileForHost(generated, options);
      for (const [i, one] of batch.entries()) {
        const random = createRandom(one.seed, 'inputs');
        const call = Object.fromEntries(
          one.generated.face.inputs.map((port) => [port.name, randomFloats(random, port.count)]),
        );
        await host.run([call], i).then(
          () => this.#tally('accepted, runs clean'),
          (error: Error) => this.problems.push(`seed ${one.seed}: ${inOneLine(error)}`),
        );
      }
    } catch (error) {
      if (batch.length > 1) for (const one of batch) await this.#check([one]);
      else this.problems.push(`seed ${batch[0]!.seed}: does not compile: ${inOneLine(error as Error)}`);
    }
  }
}

const inOneLine = ({ message }: Error): string => message.replaceAll('\n', ' ').slice(0, 500);

const trials = {
  'float, one node damaged': { seeds: count, trial: new Trial(damagedModel, {}) },
  'int8, one node or constant damaged': { seeds: Math.ceil(count / 2), trial: new Trial(damagedQuantisedModel, {}) },
  'int8 with weights in a blob': {
    seeds: Math.ceil(count / 4),
    trial: new Trial(damagedQuantisedModel, { weights: 'blob' }),
  },
};
for (const { seeds, trial } of Object.values(trials)) await trial.run(seeds);

const text = [
  '# Damaged models as generated C',
  '',
  'Each is refused with a coded error, or its code compiles without a warning and runs clean under AddressSanitizer and UndefinedBehaviorSanitizer.',
  '',
  '| models | what became of them | how many |',
  '|---|---|---|',
  ...Object.entries(trials).flatMap(([name, { seeds, trial }]) => [
    ...[...trial.codes]
      .sort(([, a], [, b]) => b - a)
      .map(([code, times]) => `| ${seeds} ${name} | ${code} | ${times} |`),
    `| ${seeds} ${name} | uncoded error, or a sanitizer finding | ${trial.problems.length} |`,
  ]),
  '',
  ...Object.entries(trials).flatMap(([name, { trial }]) =>
    trial.problems.slice(0, 20).map((line) => `- ${name}, ${line}`),
  ),
  '',
].join('\n');
console.log(text);
if (count >= 500) await writeFile(new URL('../../results/micro-damaged-graphs.md', import.meta.url), text);
