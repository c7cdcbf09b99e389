// sanderling train, executions, runs, models, predict: from data to a judged version.
import { errorCodes, SanderlingError, type ErrorCode } from '@sanderling/kit';
import type { Execution, HubClient, ModelVersion, Run } from '@sanderling/wire';
import { facts, moment, table } from '../output.ts';
import type { CommandGroup, Context } from './command.ts';
import { wholeNumber } from './numbers.ts';

export const trainCommands: CommandGroup = (program, run) => {
  program
    .command('train')
    .argument('<project>')
    .option('--wait', 'show the progress and wait for the end')
    .description('start the training pipeline: snapshot, quality, search, gates, release, roll-out')
    .action((project: string, flags: { wait?: boolean }, command) =>
      run(command, async (context) => {
        const started = await context.hub.train(project);
        const execution = flags.wait ? await watchExecution(context, started) : started;
        return { data: execution, text: describeExecution(execution) };
      }),
    );
};

export const executionCommands: CommandGroup = (program, run) => {
  const executions = program.command('executions').description('what pipelines did');
  executions
    .command('list')
    .argument('<project>')
    .description('newest first')
    .action((project: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.executions(project);
        const columns = [
          { title: 'id', of: (e: Execution) => e.id },
          { title: 'state', of: (e: Execution) => e.state },
          { title: 'started by', of: (e: Execution) => e.trigger },
          { title: 'started', of: (e: Execution) => moment(e.startedAt) },
          { title: 'seconds', of: (e: Execution) => seconds(e.startedAt, e.endedAt) },
          { title: 'why', of: (e: Execution) => e.reason },
        ];
        return {
          data: items,
          text: table(items, columns, 'nothing has run yet; start with: sanderling train PROJECT'),
        };
      }),
    );
  executions
    .command('show')
    .argument('<id>')
    .option('--log', 'with its log')
    .description('one execution, step by step')
    .action((id: string, flags: { log?: boolean }, command) =>
      run(command, async ({ hub }) => {
        const execution = await hub.execution(id);
        const log = flags.log ? (await hub.executionLog(id)).lines : [];
        const lines = log.map((line) => `${moment(line.time)} ${line.step.padEnd(10)} ${line.text}`);
        return {
          data: flags.log ? { ...execution, log } : execution,
          text: [describeExecution(execution), ...lines].join('\n'),
        };
      }),
    );
  executions
    .command('cancel')
    .argument('<id>')
    .description('stop an execution; what it finished stays')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const execution = await hub.cancelExecution(id);
        return { data: execution, text: `${execution.id} is ${execution.state}` };
      }),
    );
};

export const runCommands: CommandGroup = (program, run) => {
  const runs = program.command('runs').description('tracked training runs');
  runs
    .command('list')
    .argument('<project>')
    .option('--limit <n>', 'how many', wholeNumber(), 30)
    .description('runs of the newest experiment, newest first')
    .action((project: string, flags: { limit: number }, command) =>
      run(command, async ({ hub }) => {
        const items = await newestRuns(hub, project, flags.limit);
        const metric =
          items.flatMap((item) => Object.keys(item.metrics)).find((name) => name.includes('validation')) ?? 'mae';
        const columns = [
          { title: 'id', of: (r: Run) => r.id },
          { title: 'name', of: (r: Run) => r.name },
          { title: 'state', of: (r: Run) => r.state },
          { title: metric, of: (r: Run) => r.metrics[metric] },
          {
            title: 'params',
            of: (r: Run) =>
              Object.entries(r.params)
                .map(([name, value]) => `${name}=${value}`)
                .join(' '),
          },
        ];
        return { data: items, text: table(items, columns, 'no runs yet') };
      }),
    );
  runs
    .command('show')
    .argument('<id>')
    .description('params, metrics, tags and artifacts of a run')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const [found, artifacts] = await Promise.all([hub.run(id), hub.artifacts(id)]);
        const pairs = [
          ...Object.entries(found.params),
          ...Object.entries(found.metrics),
          ...Object.entries(found.tags),
          ...artifacts.items.map((a) => [a.path, `${a.size} bytes`] as const),
        ];
        return {
          data: { ...found, artifacts: artifacts.items },
          text: facts([['run', found.id], ['state', found.state], ['started', moment(found.startedAt)], ...pairs]),
        };
      }),
    );
};

export const modelCommands: CommandGroup = (program, run) => {
  program
    .command('models')
    .argument('<project>')
    .description('versions in the registry')
    .action((project: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.modelVersions(project);
        const columns = [
          { title: 'version', of: (v: ModelVersion) => v.version },
          { title: 'aliases', of: (v: ModelVersion) => v.aliases.join(', ') },
          { title: 'mae', of: (v: ModelVersion) => v.metrics['mae'] },
          { title: 'kB', of: (v: ModelVersion) => Math.round(v.sizeBytes / 1024) },
          { title: 'gates', of: (v: ModelVersion) => describeGates(v) },
          { title: 'made', of: (v: ModelVersion) => moment(v.createdAt) },
        ];
        return { data: items, text: table(items, columns, 'no version yet; make one with: sanderling train PROJECT') };
      }),
    );

  program
    .command('predict')
    .argument('<project>')
    .option('--steps <n>', 'how many steps ahead', wholeNumber())
    .description('forecast with the champion on the newest readings')
    .action((project: string, flags: { steps?: number }, command) =>
      run(command, async ({ hub }) => {
        const forecast = await hub.predict(project, flags);
        const columns = [
          { title: 'time', of: (r: (typeof forecast.forecast)[number]) => moment(r.time) },
          { title: 'forecast', of: (r: (typeof forecast.forecast)[number]) => r.value },
        ];
        return {
          data: forecast,
          text: `version ${forecast.version}, on readings up to ${moment(forecast.basedOn.lastTime)}\n${table(forecast.forecast, columns, '')}`,
        };
      }),
    );
};

async function newestRuns(hub: HubClient, project: string, limit: number): Promise<readonly Run[]> {
  const experiments = (await hub.experiments(project)).items.toSorted((a, b) => b.createdAt - a.createdAt);
  const newest = experiments[0];
  return newest === undefined ? [] : (await hub.runs(newest.id, { limit })).items;
}

/** Prints steps and trials as they happen, until the execution ends. @throws GATE_FAILED when a gate stopped it, otherwise the code of what ended it. */
async function watchExecution(context: Context, started: Execution): Promise<Execution> {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, context.signal]);
  let code: ErrorCode | undefined;
  for await (const event of context.hub.followEvents({ project: started.project }, signal)) {
    if (event.data['execution'] !== started.id && event.subject !== started.id) continue;
    if (!context.json) context.print(`${moment(event.time)} ${event.type} ${JSON.stringify(event.data)}`);
    if (event.type !== 'execution.finished') continue;
    if (isErrorCode(event.data['code'])) code = event.data['code'];
    ended.abort();
  }
  const execution = await context.hub.execution(started.id);
  if (execution.state === 'succeeded') return execution;
  throw new SanderlingError(
    code ?? (execution.state === 'stopped' ? 'GATE_FAILED' : 'INTERNAL'),
    execution.reason ?? `the execution ${execution.state}`,
    { where: execution.id },
  );
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCodes, value);
}

function describeExecution(execution: Execution): string {
  type Step = Execution['steps'][number];
  const columns = [
    { title: 'step', of: (s: Step) => s.name },
    { title: 'state', of: (s: Step) => s.state },
    { title: 'seconds', of: (s: Step) => seconds(s.startedAt, s.endedAt) },
    { title: 'what', of: (s: Step) => s.message },
  ];
  const head = facts([
    ['execution', execution.id],
    ['state', execution.reason === null ? execution.state : `${execution.state}: ${execution.reason}`],
    ['started by', execution.trigger],
  ]);
  return `${head}\n\n${table(execution.steps, columns, 'no steps yet')}`;
}

function describeGates(version: ModelVersion): string {
  if (version.gates === null) return 'not judged';
  const failed = version.gates.filter((gate) => !gate.passed);
  return failed.length === 0 ? 'passed' : failed.map((gate) => gate.message).join('; ');
}

function seconds(from: number | null, to: number | null): string | null {
  return from === null || to === null ? null : ((to - from) / 1000).toFixed(1);
}
