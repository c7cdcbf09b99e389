// What is said at the end: every stage's time, the errors before, under and after the change, and where everything is.
import { styleText } from 'node:util';
import type { LoopResult } from './loop.ts';
import { costText, seconds, stageTitles } from './screen.ts';
import { stages, type Story } from './story.ts';

/** The summary as text. */
export function describeResult({ story, url, keyFile, device }: LoopResult, unit: string): string {
  const error = (mean: number): string => `${mean.toFixed(3)} ${unit}`;
  return [
    '',
    styleText('bold', ' The loop has closed.'),
    '',
    ...stageLines(story),
    '',
    `   error before the change      ${error(story.calm.mean)}`,
    `   error with the old model     ${error(story.drifted.mean)}`,
    `   error with the new model     ${error(story.renewed.mean)}`,
    `   alarm → new model active     ${story.alarmToActiveMs === null ? '–' : seconds(story.alarmToActiveMs)}`,
    `   device ${device} runs release ${story.release?.slice(0, 12) ?? '–'}`,
    ...(story.cost === null ? [] : [`   STM32H745: ${costText(story.cost)}`]),
    '',
    `   API       ${url}/api/v1      key in ${keyFile}`,
    `   API page  ${url}/docs`,
    '',
  ].join('\n');
}

/** The same as plain data. */
export function summaryOf({ story, url, device }: LoopResult): Readonly<Record<string, unknown>> {
  const durations = Object.fromEntries(stages.map((stage) => [stage, duration(story, stage)]));
  return {
    url,
    device,
    release: story.release,
    readings: story.readings,
    milliseconds: durations,
    alarmToActiveMs: story.alarmToActiveMs,
    ...(story.cost === null ? {} : { board: story.cost }),
    error: { before: story.calm.mean, underDrift: story.drifted.mean, after: story.renewed.mean },
  };
}

function stageLines(story: Story): string[] {
  const lines = stages.map((stage) => {
    const ms = duration(story, stage);
    return `   ${stageTitles[stage].padEnd(32)} ${(ms === null ? '–' : seconds(ms)).padStart(8)}   ${styleText('dim', story.times[stage]?.note ?? '')}`.trimEnd();
  });
  const total = story.times.recover?.to ?? 0;
  return [...lines, `   ${'together'.padEnd(32)} ${seconds(total).padStart(8)}`];
}

function duration(story: Story, stage: (typeof stages)[number]): number | null {
  const time = story.times[stage];
  return time === undefined || time.to === null ? null : Math.round(time.to - time.from);
}
