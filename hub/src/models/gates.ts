// Gates: what a version must meet before it may be released. Each says in one sentence, with its numbers, what it found.
import { toSanderlingError } from '@sanderling/kit';
import type { DeviceCost, GateResult, GateSpec, MicroTarget } from '@sanderling/wire';
import type {
  ChampionComparison,
  Columns,
  Evaluation,
  ModelInput,
  Prepared,
  TaskCall,
  WorkerPool,
} from '../workers/index.ts';

/** What gates look at. */
export interface GateCase {
  readonly evaluation: Evaluation;
  readonly prepared: Prepared;
  readonly candidate: ModelInput;
  /** The version in use, unless there is none or it is the candidate itself. */
  readonly champion: (ModelInput & { readonly version: number }) | undefined;
  /** Readings of the candidate's dataset. */
  readonly readings: { readonly key: string; readonly load: () => Promise<Columns> };
  readonly pool: WorkerPool;
  /** What the candidate costs on a microcontroller, measured on an emulated board. */
  readonly cost: (target: MicroTarget) => Promise<DeviceCost>;
  readonly signal?: AbortSignal;
}

/** What a gate found. */
export interface Verdict {
  readonly passed: boolean;
  /** One sentence for people. */
  readonly message: string;
  readonly numbers: Readonly<Record<string, number>>;
}

type Kind = GateSpec['gate'];
type Gate<K extends Kind> = (spec: Extract<GateSpec, { gate: K }>, of: GateCase) => Promise<Verdict>;

/** How each gate decides. */
export const gates = {
  'beats-baseline': async ({ baseline, byPercent }, { evaluation, prepared }) =>
    beatsBaseline({ name: baseline, mae: evaluation.baselines[baseline], byPercent }, evaluation.metrics.mae, prepared),
  'not-worse-than-champion': async (spec, of) => {
    if (of.champion === undefined)
      return { passed: true, message: 'there is no champion yet to compare with', numbers: {} };
    const { candidate, champion, prepared, readings, pool } = of;
    const input = { prepared, candidate, champion, confidence: spec.confidence };
    const comparison = await pool.run('compare', input, { ...callOf(of), data: readings });
    return notWorse(comparison, spec, { unit: prepared.preprocessing.unit, version: champion.version });
  },
  size: async ({ maxKb }, { candidate }) => {
    const kb = candidate.model.length / 1024;
    const passed = kb <= maxKb;
    const message = `the model has ${number(kb)} KB; ${passed ? 'up to ' : 'at most '}${number(maxKb)} KB are allowed`;
    return { passed, message, numbers: { kb, maxKb } };
  },
  latency: async ({ maxMs, target, cyclesPerInstruction }, of) => {
    if (target !== undefined) return emulatedLatency(await of.cost(target), { maxMs, target, cyclesPerInstruction });
    const { medianMs } = await of.pool.run('latency', of.candidate, callOf(of));
    const passed = medianMs <= maxMs;
    const message = `one forecast takes ${number(medianMs)} ms; ${passed ? 'up to ' : 'at most '}${number(maxMs)} ms are allowed`;
    return { passed, message, numbers: { medianMs, maxMs } };
  },
  ram: async ({ maxKb, target }, of) => {
    const { memoryBytes, stackBytes } = await of.cost(target);
    const kb = (memoryBytes + stackBytes) / 1024;
    const passed = kb <= maxKb;
    const message = `on the ${target} it takes ${number(kb)} KB of RAM (${memoryBytes} bytes of working memory, ${stackBytes} of stack; emulated); ${allowed(passed, maxKb, 'KB')}`;
    return { passed, message, numbers: { kb, maxKb, memoryBytes, stackBytes } };
  },
  flash: async ({ maxKb, target }, of) => {
    const { imageBytes, constantBytes } = await of.cost(target);
    const kb = imageBytes / 1024;
    const passed = kb <= maxKb;
    const message = `on the ${target} it takes ${number(kb)} KB of flash (${constantBytes} bytes of constants, the rest code); ${allowed(passed, maxKb, 'KB')}`;
    return { passed, message, numbers: { kb, maxKb, imageBytes, constantBytes } };
  },
} as const satisfies { readonly [K in Kind]: Gate<K> };

/** Asks every gate, all of them even when one says no. A gate that cannot judge says no and why. */
export async function judgeGates(specs: readonly GateSpec[], of: GateCase): Promise<GateResult[]> {
  const results: GateResult[] = [];
  for (const spec of specs) {
    const { passed, message, numbers } = await ask(spec, of);
    results.push({ gate: nameOf(spec), passed, message, numbers: { ...numbers } });
  }
  return results;
}

async function ask(spec: GateSpec, of: GateCase): Promise<Verdict> {
  try {
    return await (gates[spec.gate] as Gate<Kind>)(spec, of);
  } catch (thrown) {
    const error = toSanderlingError(thrown);
    if (error.code === 'TOO_LARGE')
      return { passed: false, message: `${error.message} (${error.fix ?? 'shrink the model'})`, numbers: {} };
    if (error.code !== 'TOO_LITTLE_DATA' && error.code !== 'INVALID_DATA') throw error;
    return { passed: false, message: `it cannot be judged: ${error.message}`, numbers: {} };
  }
}

function nameOf(spec: GateSpec): string {
  if (spec.gate === 'beats-baseline') return `${spec.gate} ${spec.baseline}`;
  return spec.gate === 'latency' && spec.target !== undefined ? `${spec.gate} ${spec.target}` : spec.gate;
}

/** Time of one forecast from the instructions that the emulator counted. */
export function emulatedLatency(
  { instructions, megahertz }: Pick<DeviceCost, 'instructions' | 'megahertz'>,
  asked: { readonly maxMs: number; readonly target: string; readonly cyclesPerInstruction: number },
): Verdict {
  const { maxMs, target, cyclesPerInstruction } = asked;
  const ms = (instructions * cyclesPerInstruction) / (megahertz * 1000);
  const passed = ms <= maxMs;
  return {
    passed,
    message: `one forecast takes ${instructions} instructions (emulated), ${number(ms)} ms on the ${target} at ${megahertz} MHz and ${cyclesPerInstruction} cycles an instruction; ${allowed(passed, maxMs, 'ms')}`,
    numbers: { ms, maxMs, instructions, megahertz, cyclesPerInstruction },
  };
}

function allowed(passed: boolean, most: number, unit: string): string {
  return `${passed ? 'up to' : 'at most'} ${number(most)} ${unit} are allowed`;
}

/** Whether the test error is far enough below the baseline's. */
export function beatsBaseline(
  baseline: { readonly name: string; readonly mae: number; readonly byPercent: number },
  mae: number,
  { preprocessing: { unit } }: Pick<Prepared, 'preprocessing'>,
): Verdict {
  const below = baseline.mae === 0 ? (mae === 0 ? 0 : -100) : (1 - mae / baseline.mae) * 100;
  const passed = below >= baseline.byPercent;
  const found = below >= 0 ? `${passed ? '' : 'only '}${percent(below)} below` : `${percent(-below)} above`;
  return {
    passed,
    message: `the test error of ${quantity(mae, unit)} is ${found} ${baseline.name} (${quantity(baseline.mae, unit)}); ${percent(baseline.byPercent)} below is asked`,
    numbers: { mae, baselineMae: baseline.mae, percentBelow: below, byPercent: baseline.byPercent },
  };
}

/** Whether the upper end of the interval of the relative difference is within the margin. */
export function notWorse(
  { candidateMae, championMae, relative, low, high, windows }: ChampionComparison,
  { marginPercent, confidence }: { readonly marginPercent: number; readonly confidence: number },
  { unit, version }: { readonly unit: string; readonly version: number },
): Verdict {
  const passed = high * 100 <= marginPercent;
  const found = `${percent(Math.abs(relative) * 100)} ${relative <= 0 ? 'better' : 'worse'} than the champion (version ${version}: ${quantity(championMae, unit)})`;
  const interval = `with ${percent(confidence * 100)} confidence between ${signed(low * 100)} and ${signed(high * 100)}`;
  const asked = passed ? `up to ${signed(marginPercent)} is allowed` : `at most ${signed(marginPercent)} is allowed`;
  return {
    passed,
    message: `the error of ${quantity(candidateMae, unit)} on ${windows} test windows is ${found}, ${interval}; ${asked}`,
    numbers: { candidateMae, championMae, relative, low, high, windows, marginPercent, confidence },
  };
}

function callOf({ signal }: GateCase): TaskCall<never> {
  return signal === undefined ? {} : { signal };
}

/** Three significant digits, no exponent. */
export function number(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(digits);
}

export function quantity(value: number, unit: string): string {
  return unit === '' ? number(value) : `${number(value)} ${unit}`;
}

function percent(value: number): string {
  return `${Number(value.toFixed(1))} %`;
}

function signed(value: number): string {
  return `${value >= 0 ? '+' : '−'}${percent(Math.abs(value))}`;
}
