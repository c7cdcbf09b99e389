// The loop as a story: a pure reduction of what agent and hub say to the stages that a person follows.
import type { DeviceCost, HubEvent } from '@sanderling/wire';

/** The stages of the loop, in the order in which they end. */
export const stages = [
  'start',
  'collect',
  'train',
  'activate',
  'predict',
  'change',
  'alarm',
  'retrain',
  'replace',
  'recover',
] as const;
export type Stage = (typeof stages)[number];

/** One line of the agent's status output; only the fields that the story reads. */
export interface AgentLine {
  readonly type: string;
  readonly time?: number;
  readonly value?: number;
  readonly release?: string | null;
  readonly forecast?: readonly { readonly time: number; readonly value: number }[];
  readonly error?: number | null;
  readonly rollingError?: number | null;
  readonly driftScore?: number;
  readonly score?: number;
  readonly latencyMs?: number;
  readonly stage?: string;
  readonly state?: string;
  readonly reason?: string | null;
  readonly message?: string;
}

/** Everything that moves the story on. `at` is milliseconds of wall time since the story began. */
export type Happening = { readonly at: number } & (
  | { readonly kind: 'agent'; readonly line: AgentLine }
  | { readonly kind: 'hub'; readonly event: Pick<HubEvent, 'type' | 'subject' | 'data'> }
  | { readonly kind: 'started' }
  | { readonly kind: 'again' }
  | { readonly kind: 'played'; readonly readings: number }
  | { readonly kind: 'collected'; readonly readings: number }
  | { readonly kind: 'changed'; readonly what: string }
);

/** A search as it goes on. */
export interface SearchProgress {
  readonly finished: number;
  readonly trials: number;
  readonly best: number | null;
  readonly bestParams: string;
}

/** A stage that has begun. */
export interface StageTime {
  readonly from: number;
  readonly to: number | null;
  readonly note: string;
}

/** What the story knows. */
export interface Story {
  readonly stage: Stage | 'done';
  readonly times: Readonly<Partial<Record<Stage, StageTime>>>;
  readonly readings: number;
  readonly step: string | null;
  readonly search: SearchProgress | null;
  readonly gates: readonly string[];
  readonly trouble: readonly string[];
  /** Why the first training came to nothing, when it did: it wants more readings. */
  readonly ended: string | null;
  readonly release: string | null;
  readonly update: string | null;
  readonly versions: number;
  /** An alarm before the change has the hub learn again. */
  readonly relearning: boolean;
  readonly value: number | null;
  readonly valueTime: number | null;
  readonly forecast: readonly { readonly time: number; readonly value: number }[];
  readonly driftScore: number;
  readonly rollingError: number | null;
  readonly latencyMs: number | null;
  /** What the newest release costs on a microcontroller; null without one. */
  readonly cost: DeviceCost | null;
  /** Recent values for the little charts, newest last. */
  readonly recentValues: readonly number[];
  readonly recentErrors: readonly number[];
  /** Absolute errors of each phase, for its mean. */
  readonly calm: ErrorMean;
  readonly drifted: ErrorMean;
  readonly renewed: ErrorMean;
  /** Wall time from the alarm to the new release being active, milliseconds. */
  readonly alarmToActiveMs: number | null;
  /** Settled forecasts that the new release's mean must rest on. */
  readonly settledEnough: number;
}

/** A running mean of absolute errors. */
export interface ErrorMean {
  readonly count: number;
  readonly mean: number;
}

/** The error counts as back down when it is at most this part of what it was under drift. */
export const recoveredRatio = 0.6;
const chartLength = 240;
const none: ErrorMean = { count: 0, mean: 0 };

/** The story before anything happened. */
export const beginning: Story = {
  stage: 'start',
  times: { start: { from: 0, to: null, note: '' } },
  readings: 0,
  step: null,
  search: null,
  gates: [],
  trouble: [],
  ended: null,
  release: null,
  update: null,
  versions: 0,
  relearning: false,
  value: null,
  valueTime: null,
  forecast: [],
  driftScore: 0,
  rollingError: null,
  latencyMs: null,
  cost: null,
  recentValues: [],
  recentErrors: [],
  calm: none,
  drifted: none,
  renewed: none,
  alarmToActiveMs: null,
  settledEnough: 150,
};

/** The story after one more happening. */
export function tell(story: Story, happening: Happening): Story {
  switch (happening.kind) {
    case 'started':
      return enter(story, 'collect', happening.at);
    case 'again':
      return { ...story, ended: null };
    case 'played':
      return { ...story, readings: happening.readings };
    case 'collected':
      return enter(note(story, 'collect', `${happening.readings} readings`), 'train', happening.at);
    case 'changed':
      return story.stage === 'predict'
        ? enter(note(enter(story, 'change', happening.at), 'change', happening.what), 'alarm', happening.at)
        : story;
    case 'agent':
      return tellAgent(story, happening.line, happening.at);
    case 'hub':
      return tellHub(story, happening.event, happening.at);
    default:
      return happening satisfies never;
  }
}

function enter(story: Story, stage: Stage | 'done', at: number): Story {
  const present = story.stage === 'done' ? undefined : story.times[story.stage];
  const ended = present === undefined || story.stage === 'done' ? {} : { [story.stage]: { ...present, to: at } };
  const begun = stage === 'done' ? {} : { [stage]: { from: at, to: null, note: '' } };
  return { ...story, stage, times: { ...story.times, ...ended, ...begun } };
}

function note(story: Story, stage: Stage, text: string): Story {
  const time = story.times[stage];
  return time === undefined ? story : { ...story, times: { ...story.times, [stage]: { ...time, note: text } } };
}

function tellAgent(story: Story, line: AgentLine, at: number): Story {
  switch (line.type) {
    case 'reading':
    case 'forecast':
      return advance(measured(story, line), at);
    case 'drift':
      return line.state === 'alarm' ? alarmed(story, line, at) : story;
    case 'update':
      return updated({ ...story, update: line.stage ?? null }, line, at);
    case 'error':
      return { ...story, trouble: [...story.trouble.slice(-4), line.message ?? 'unknown trouble on the device'] };
    default:
      return story;
  }
}

function measured(story: Story, line: AgentLine): Story {
  const error = line.error ?? null;
  const phase = error === null ? {} : addError(story, error);
  return {
    ...story,
    ...phase,
    value: line.value ?? story.value,
    valueTime: line.time ?? story.valueTime,
    forecast: line.forecast ?? story.forecast,
    driftScore: line.driftScore ?? story.driftScore,
    rollingError: line.rollingError ?? story.rollingError,
    latencyMs: line.latencyMs ?? story.latencyMs,
    recentValues:
      line.value === undefined ? story.recentValues : [...story.recentValues, line.value].slice(-chartLength),
    recentErrors: error === null ? story.recentErrors : [...story.recentErrors, error].slice(-chartLength),
  };
}

/** Errors belong to the phase in which their forecast was settled. */
function addError(story: Story, error: number): Partial<Story> {
  const add = ({ count, mean }: ErrorMean): ErrorMean => ({
    count: count + 1,
    mean: mean + (error - mean) / (count + 1),
  });
  if (story.stage === 'predict') return { calm: add(story.calm) };
  if (story.stage === 'retrain' || story.stage === 'replace') return { drifted: add(story.drifted) };
  return story.stage === 'recover' ? { renewed: add(story.renewed) } : {};
}

/** The last stage ends when enough forecasts of the new release have settled and their error is down. */
function advance(story: Story, at: number): Story {
  if (story.stage !== 'recover' || story.renewed.count < story.settledEnough) return story;
  return isRecovered(story) ? enter(story, 'done', at) : story;
}

/** Whether the new release's error is clearly below what the old one's was under drift. */
export function isRecovered(story: Story): boolean {
  return (
    story.renewed.count > 0 && story.drifted.count > 0 && story.renewed.mean <= recoveredRatio * story.drifted.mean
  );
}

/** The alarm that the story waits for; one before the change is real life too: the hub learns again, and the change waits for it. */
function alarmed(story: Story, line: AgentLine, at: number): Story {
  if (story.stage === 'predict') {
    return {
      ...story,
      relearning: true,
      calm: none,
      trouble: [...story.trouble.slice(-4), 'a drift alarm before the change: the hub learns again'],
    };
  }
  if (story.stage !== 'alarm') return story;
  const noted = note(story, 'alarm', `drift score ${(line.score ?? 0).toFixed(2)}`);
  return { ...enter(noted, 'retrain', at), search: null, step: null, gates: [] };
}

/** A release has become active once its probation is over. */
function updated(story: Story, line: AgentLine, at: number): Story {
  if (line.stage !== 'active' || line.release === story.release) return story;
  const next = { ...story, release: line.release ?? null, versions: story.versions + 1 };
  if (story.stage === 'train' || story.stage === 'activate') return enter(next, 'predict', at);
  if (story.stage === 'predict') return { ...next, relearning: false, calm: none };
  if (story.stage === 'recover') return { ...next, renewed: none };
  if (story.stage !== 'retrain' && story.stage !== 'replace') return next;
  const alarm = story.times.retrain?.from ?? at;
  return { ...enter(next, 'recover', at), alarmToActiveMs: at - alarm };
}

function tellHub(story: Story, event: Pick<HubEvent, 'type' | 'subject' | 'data'>, at: number): Story {
  const { type, data } = event;
  if (type === 'step.started') return { ...story, step: text(data['step']) };
  if (type === 'release.created' && data['cost'] !== undefined) return { ...story, cost: data['cost'] as DeviceCost };
  if (type === 'trial.finished') return { ...story, search: searchProgress(data, story.search) };
  if (type === 'gate.passed' || type === 'gate.failed')
    return { ...story, gates: [...story.gates, text(data['message']) ?? type] };
  if (type === 'rollout.started')
    return story.stage === 'train'
      ? enter(withSearchNote(story, 'train'), 'activate', at)
      : story.stage === 'retrain'
        ? enter(withSearchNote(story, 'retrain'), 'replace', at)
        : story;
  if (type === 'execution.finished' && data['state'] !== 'succeeded')
    return stopped(story, text(data['reason']) ?? String(data['state']));
  if (type === 'rollout.aborted')
    return { ...story, trouble: [...story.trouble.slice(-4), text(data['reason']) ?? type] };
  return story;
}

/** Without a first model there is no loop; later ones are tried again by the automation. */
function stopped(story: Story, reason: string): Story {
  const trouble = [...story.trouble.slice(-4), reason];
  return { ...story, trouble, search: null, step: null, ended: story.stage === 'train' ? reason : null };
}

function withSearchNote(story: Story, stage: Stage): Story {
  return story.search === null
    ? story
    : note(
        story,
        stage,
        `${story.search.finished} trials, best ${story.search.best?.toPrecision(3) ?? '?'} (${story.search.bestParams})`,
      );
}

function searchProgress(data: Readonly<Record<string, unknown>>, before: SearchProgress | null): SearchProgress {
  const best = data['best'] as { readonly validationMae?: number; readonly params?: object } | null | undefined;
  return {
    finished: Number(data['finished'] ?? 0),
    trials: Number(data['total'] ?? 0),
    best: best?.validationMae ?? before?.best ?? null,
    bestParams: best?.params === undefined ? (before?.bestParams ?? '') : paramsText(best.params),
  };
}

/** Parameters for one line; the whole words of the spec would not fit. */
function paramsText(params: object): string {
  return Object.entries(params)
    .map(([name, value]) => (typeof value === 'string' ? value : `${name} ${shortNumber(value)}`))
    .join(', ');
}

function shortNumber(value: unknown): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(2) : String(value);
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
