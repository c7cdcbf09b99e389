// A pipeline: a typed graph of steps. Each step sees the outputs of the steps that it names, with their types.
import { SanderlingError, type ErrorCode } from '@sanderling/kit';

/** What a step hands on: plain JSON. */
export type Outputs = Readonly<Record<string, unknown>>;

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** What a step may do beside computing. */
export interface StepContext {
  /** Id of the execution. */
  readonly execution: string;
  readonly project: string;
  /** Aborts when the execution is cancelled, the step takes too long, a sibling failed or the hub stops. */
  readonly signal: AbortSignal;
  /** Writes a line to the execution's log. */
  log(level: LogLevel, text: string): Promise<void>;
  /** Says how far the step has come, 0…1; told to followers a few times a second at most. */
  progress(share: number, message: string): void;
}

/** A step. It may be run again after a crash: it finds its own half-done work and goes on, or does it once more to the same end. */
export interface Step<I, O extends Outputs> {
  readonly run: (inputs: I, context: StepContext) => Promise<O>;
  /** Steps with the same key have the same outputs: they are taken from the earlier execution. @default never */
  readonly cacheKey?: (inputs: I) => unknown;
  /** Whether everything that cached outputs name is still there; otherwise the step runs. @default always */
  readonly isWhole?: (outputs: Outputs) => Promise<boolean>;
  /** Tries in all, for failures that may pass. @default 3 */
  readonly attempts?: number;
  /** Longest time of one try, milliseconds. @default one hour */
  readonly timeoutMs?: number;
}

/** A step as the runner sees it. */
export interface AnyStep extends Required<Pick<Step<never, Outputs>, 'attempts' | 'timeoutMs'>> {
  readonly name: string;
  readonly after: readonly string[];
  readonly run: (inputs: Readonly<Record<string, Outputs>>, context: StepContext) => Promise<Outputs>;
  readonly cacheKey: ((inputs: Readonly<Record<string, Outputs>>) => unknown) | undefined;
  readonly isWhole: ((outputs: Outputs) => Promise<boolean>) | undefined;
}

const hourMs = 3_600_000;

/** A pipeline under construction and when done; steps are named once, after the steps that they need. */
export class Pipeline<S extends object = object> {
  readonly name: string;
  readonly steps: readonly AnyStep[];

  constructor(name: string, steps: readonly AnyStep[] = []) {
    this.name = name;
    this.steps = steps;
  }

  /** A pipeline with one step more. @throws INVALID_ARGUMENT for a name that is taken or a step that is not there */
  step<N extends string, A extends keyof S & string, O extends Outputs>(
    name: N,
    after: readonly A[],
    step: Step<Pick<S, A>, O>,
  ): Pipeline<S & Record<N, O>> {
    const known = new Set(this.steps.map((other) => other.name));
    if (known.has(name)) throw new SanderlingError('INVALID_ARGUMENT', `there are two steps named ${name}`);
    const unknown = after.find((other) => !known.has(other));
    if (unknown !== undefined)
      throw new SanderlingError('INVALID_ARGUMENT', `step ${name} comes after ${unknown}, which is not there`);
    const defaults = { attempts: 3, timeoutMs: hourMs, cacheKey: undefined, isWhole: undefined };
    const added = { ...defaults, ...step, name, after } as unknown as AnyStep;
    return new Pipeline<S & Record<N, O>>(this.name, [...this.steps, added]);
  }
}

/** Thrown by a step that ends the execution although nothing is broken: a gate, or data that will not do. */
export class Stopped extends Error {
  /** What the step found nevertheless. */
  readonly outputs: Outputs;
  /** Of the error behind it, when the data will not do. */
  readonly code: ErrorCode | null;

  constructor(reason: string, outputs: Outputs = {}, code: ErrorCode | null = null) {
    super(reason);
    this.name = 'Stopped';
    this.outputs = outputs;
    this.code = code;
  }
}
