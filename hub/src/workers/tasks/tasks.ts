// Everything that worker processes can do, by name.
import type { Task } from '../serve.ts';
import { compare } from './compare.ts';
import { evaluate } from './evaluate.ts';
import { forecast } from './forecast.ts';
import { latency } from './latency.ts';
import { micro, tools, type MicroNews } from './micro.ts';
import { optimise } from './optimise.ts';
import { prepare } from './prepare.ts';
import { trial, type EpochNews } from './trial.ts';

export const tasks = { prepare, trial, optimise, evaluate, compare, latency, forecast, micro, tools } satisfies Record<
  string,
  Task
>;

export type TaskName = keyof typeof tasks;
export type TaskInput<N extends TaskName> = Parameters<(typeof tasks)[N]>[0];
export type TaskResult<N extends TaskName> = Awaited<ReturnType<(typeof tasks)[N]>>;
/** What a task tells while it goes on. */
export type TaskMessage<N extends TaskName> = N extends 'trial' ? EpochNews : N extends 'micro' ? MicroNews : never;
