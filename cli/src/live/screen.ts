// The live view: the story as lines of a terminal. Pure: a story and a width give the lines.
import { stripVTControlCharacters, styleText } from 'node:util';
import type { DeviceCost } from '@sanderling/wire';
import { stages, type Stage, type Story } from './story.ts';

/** What the view shows beside the story. */
export interface Scene {
  readonly title: string;
  readonly unit: string;
  /** Milliseconds since the story began. */
  readonly now: number;
  readonly width: number;
  /** Where the hub is, from the moment that it answers: for people who want to look. */
  readonly hub?: { readonly url: string; readonly keyFile: string };
}

/** What each stage is called, while it goes on and in the summary. */
export const stageTitles: Readonly<Record<Stage, string>> = {
  start: 'hub and device start',
  collect: 'device sends its past',
  train: 'quality check, search, gates',
  activate: 'signed release onto the device',
  predict: 'device forecasts, all is calm',
  change: 'the world changes',
  alarm: 'device notices the drift',
  retrain: 'fresh readings, search, gates',
  replace: 'better release onto the device',
  recover: 'error comes back down',
};

const bars = '▁▂▃▄▅▆▇█';

/** The whole view. */
export function drawScreen(story: Story, scene: Scene): string[] {
  const lines = [
    ...drawHead(scene),
    '',
    ...stages.map((stage) => drawStage(story, stage, scene)),
    '',
    ...drawDevice(story, scene),
    ...story.trouble.slice(-2).map((text) => styleText('yellow', `  ! ${text}`)),
  ];
  return lines.map((line) => clip(line, scene.width));
}

function drawHead(scene: Scene): string[] {
  const title = `${styleText('bold', ' Sanderling')} · ${scene.title}`;
  const clock = seconds(scene.now);
  return [
    '',
    `${title}${' '.repeat(Math.max(2, scene.width - visible(title) - clock.length - 1))}${styleText('dim', clock)}`,
    ...(scene.hub === undefined ? [] : [styleText('dim', `   ${hubText(scene.hub)}`)]),
  ];
}

function drawStage(story: Story, stage: Stage, scene: Scene): string {
  const time = story.times[stage];
  if (time === undefined) return styleText('dim', `   ·  ${stageTitles[stage]}`);
  const isOver = time.to !== null;
  const mark = isOver ? styleText('green', '✔') : styleText('cyan', spinner(scene.now));
  const elapsed = seconds((time.to ?? scene.now) - time.from).padStart(8);
  const detail = isOver ? styleText('dim', time.note) : presentDetail(story, stage);
  return `   ${mark}  ${stageTitles[stage].padEnd(32)}${elapsed}   ${detail}`;
}

/** What the stage that goes on is busy with. */
function presentDetail(story: Story, stage: Stage): string {
  if (stage === 'collect') return `${story.readings} readings`;
  if (stage === 'train' || stage === 'retrain')
    return story.search === null ? (story.step ?? 'gathering fresh readings') : drawSearch(story);
  if (stage === 'activate' || stage === 'replace') return story.update ?? 'offered';
  if (stage === 'recover') return `${story.renewed.count} forecasts settled`;
  return '';
}

function drawSearch({ search, step }: Story): string {
  if (search === null) return '';
  const best = search.best === null ? '' : `best ${search.best.toPrecision(3)}  ${styleText('dim', search.bestParams)}`;
  const doing = step === null || step === 'search' ? '' : `${step}  `;
  return `${doing}${bar(search.finished / Math.max(1, search.trials), 16)} ${search.finished}/${search.trials}  ${best}`;
}

function drawDevice(story: Story, scene: Scene): string[] {
  if (story.value === null) return [];
  const chart = Math.max(10, Math.min(72, scene.width - 36));
  const unit = scene.unit;
  const when = story.valueTime === null ? '' : new Date(story.valueTime).toISOString().slice(0, 16).replace('T', ' ');
  const lines = [
    row('reading', `${story.value.toFixed(2)} ${unit}`, sparkline(story.recentValues, chart)),
    row('', '', styleText('dim', when)),
  ];
  if (story.release === null && story.recentErrors.length === 0) return lines;
  const ahead = story.forecast
    .map(({ value }) => value.toFixed(1))
    .slice(0, 12)
    .join('  ');
  const error = story.rollingError === null ? '–' : `${story.rollingError.toFixed(3)} ${unit}`;
  const drift = story.driftScore.toFixed(2);
  const color = story.driftScore >= 0.7 ? 'red' : story.driftScore >= 0.4 ? 'yellow' : 'green';
  return [
    ...lines,
    row('forecast', story.latencyMs === null ? '' : `in ${story.latencyMs.toFixed(2)} ms`, ahead),
    row('error', error, styleText('magenta', sparkline(story.recentErrors, chart))),
    row('drift score', drift, styleText(color, bar(story.driftScore, 20))),
    row(
      'release',
      `no. ${story.versions}`,
      `${story.release?.slice(0, 12) ?? 'none yet'}${story.update === null ? '' : styleText('dim', `  ${story.update}`)}`,
    ),
    ...(story.cost === null ? [] : [row('board', 'STM32H745', costText(story.cost))]),
  ];
}

/** Where to look at a hub that runs. */
export function hubText({ url, keyFile }: NonNullable<Scene['hub']>): string {
  return `API page ${url}/docs · key in ${keyFile}`;
}

/** What a release costs on the emulated board, for one line. */
export function costText({ memoryBytes, stackBytes, imageBytes, instructions, megahertz }: DeviceCost): string {
  const kb = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`;
  const ms = instructions / (megahertz * 1000);
  return `RAM ${kb(memoryBytes + stackBytes)} · flash ${kb(imageBytes)} · ${instructions} instructions, ${ms.toFixed(2)} ms at ${megahertz} MHz (emulated)`;
}

function row(name: string, value: string, rest: string): string {
  return `   ${styleText('dim', name.padEnd(12))} ${value.padEnd(12)}  ${rest}`;
}

/** A chart of one line: the newest values, averaged into at most `width` characters. */
export function sparkline(values: readonly number[], width: number): string {
  if (values.length === 0) return '';
  const size = Math.ceil(values.length / width);
  const means = Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
    mean(values.slice(i * size, (i + 1) * size)),
  );
  const low = Math.min(...means);
  const span = Math.max(...means) - low || 1;
  return means.map((value) => bars[Math.min(7, Math.floor(((value - low) / span) * 8))]).join('');
}

/** A bar for a part of 0…1. */
export function bar(part: number, width: number): string {
  const full = Math.round(Math.max(0, Math.min(1, part)) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}

/** Milliseconds as people read them. */
export function seconds(ms: number): string {
  return ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${String(Math.floor(ms / 1000) % 60).padStart(2, '0')} s`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function spinner(now: number): string {
  return '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'[Math.floor(now / 100) % 10]!;
}

function visible(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Cuts a line to the terminal's width without cutting through a colour. */
function clip(line: string, width: number): string {
  if (visible(line) < width) return line;
  // oxlint-disable-next-line no-control-regex -- the escape character starts every terminal colour
  const parts = line.split(/(\u001B\[[0-9;]*m)/);
  let room = width - 1;
  return parts
    .map((part) => {
      if (part.startsWith('\u001B')) return part;
      const kept = part.slice(0, room);
      room -= kept.length;
      return kept;
    })
    .join('');
}
