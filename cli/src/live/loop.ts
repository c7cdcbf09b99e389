// The whole loop, live: a hub and a device as separate processes, readings played to the device, and the story told as it happens.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SanderlingError, systemClock, toSanderlingError } from '@sanderling/kit';
import { HubClient, type Device, type HubEvent, type ProjectSpec } from '@sanderling/wire';
import { Board, buildBoard } from './board.ts';
import type { BoardAnswer } from './board-lines.ts';
import { paces, Player, type Playback } from './playback.ts';
import { startProgram, type Program } from './processes.ts';
import { beginning, tell, type AgentLine, type Happening, type Story } from './story.ts';
import { createView, type View } from './terminal.ts';

/** What to run and how. */
export interface LoopOptions {
  readonly project: ProjectSpec;
  readonly playback: Playback;
  /** Folder for the hub's and the device's data; must be empty or absent. */
  readonly folder: string;
  /** Port of the hub; 0 takes any free one. */
  readonly port: number;
  /** Return when the loop has closed; otherwise go on until the signal aborts. */
  readonly once: boolean;
  /** Multiplies every pace. @default 1 */
  readonly speed?: number;
  /** What the device is: a process with an agent, or an emulated microcontroller. @default 'agent' */
  readonly device?: 'agent' | 'board';
  readonly output: NodeJS.WriteStream;
  readonly signal: AbortSignal;
  /** Called when the loop has closed and life goes on. */
  readonly onClosed?: (result: LoopResult) => void;
}

/** How it went. */
export interface LoopResult {
  readonly story: Story;
  readonly url: string;
  readonly keyFile: string;
  readonly device: string;
}

interface RunningHub {
  readonly url: string;
  readonly keyFile: string;
  readonly hub: HubClient;
  /** Not a number unless the hub has that door. */
  readonly linkPort: number;
}

/** Settled forecasts of calm before the world changes, unless the playback says otherwise. */
const calmEnough = 400;
/** Settled forecasts after which a new release that is not better is called a failure. */
const patience = 4000;
/** Tries of the first training, and how many more readings each next one has, as a share of the past. */
const mostTries = 5;
const moreReadings = 0.15;
/** Between two looks at what has arrived, milliseconds. */
const arrivalPollMs = 50;
/** Between two pictures, milliseconds. */
const frameMs = 100;

const stagePaces = {
  start: 0,
  collect: 0,
  train: paces.training,
  activate: paces.training,
  predict: paces.watching,
  change: paces.watching,
  alarm: paces.watching,
  retrain: paces.training,
  replace: paces.training,
  recover: paces.watching,
  done: paces.idle,
} as const satisfies Record<Story['stage'], number>;

/** Runs the loop. @throws UNAVAILABLE when a process dies, GATE_FAILED when the loop does not close, CANCELLED on abort before it has. */
export async function runLoop(options: LoopOptions): Promise<LoopResult> {
  await using loop = new LiveLoop(options);
  return await loop.run();
}

class LiveLoop implements AsyncDisposable {
  readonly #options: LoopOptions;
  readonly #began = performance.now();
  readonly #view: View;
  readonly #programs: Program[] = [];
  readonly #undo = new AsyncDisposableStack();
  #board: Board | undefined;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  #story: Story;
  #device = '';
  #hub: Pick<RunningHub, 'url' | 'keyFile'> | undefined;
  #tries = 1;
  /** Readings played at which the first training is tried again. */
  #trainAt: number | undefined;
  #failure: SanderlingError | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#story = { ...beginning, settledEnough: options.playback.patience?.settled ?? beginning.settledEnough };
    this.#view = createView(options.output);
    this.#signal = AbortSignal.any([options.signal, this.#over.signal]);
  }

  async run(): Promise<LoopResult> {
    const frames = setInterval(() => this.#draw(), frameMs);
    try {
      const onBoard = this.#options.device === 'board';
      const firmware = onBoard ? buildBoard() : undefined;
      firmware?.catch(() => undefined);
      const { url, keyFile, hub, linkPort } = await this.#startHub(onBoard);
      this.#hub = { url, keyFile };
      const player =
        firmware === undefined ? await this.#startAgent(hub, url) : await this.#startBoard(hub, linkPort, firmware);
      this.#tell({ kind: 'started' });
      void this.#followEvents(hub);
      await this.#collectPast(player, hub);
      await hub.train(this.#options.project.name);
      const result = (): LoopResult => ({ story: this.#story, url, keyFile, device: this.#device });
      await this.#guard(this.#live(player, hub, result));
      return result();
    } finally {
      clearInterval(frames);
      this.#draw();
      this.#view.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#undo.disposeAsync();
    await Promise.all(this.#programs.toReversed().map((program) => program.stop()));
  }

  async #startHub(withLink: boolean): Promise<RunningHub> {
    const folder = join(this.#options.folder, 'hub');
    const link = withLink ? ['--link-port', '0'] : [];
    const { url, linkPort } = await this.#start<{ readonly url: string; readonly linkPort: number }>(
      '@sanderling/hub/bin',
      ['--data', folder, '--port', String(this.#options.port), ...link, '--until-stdin-ends'],
      (line, resolve) => {
        if (typeof line['url'] === 'string') resolve({ url: line['url'], linkPort: Number(line['linkPort']) });
      },
    );
    const keyFile = join(folder, 'keys', 'admin.key');
    const hub = new HubClient({ url, key: (await readFile(keyFile, 'utf8')).trim() });
    await hub.saveProject(this.#options.project);
    return { url, keyFile, hub, linkPort };
  }

  async #startAgent(hub: HubClient, url: string): Promise<Player> {
    const { token } = await hub.createToken(this.#options.project.name);
    const args = [
      '--hub',
      url,
      '--token',
      token ?? '',
      '--data',
      join(this.#options.folder, 'device'),
      '--source',
      'stdin',
      '--name',
      `${this.#options.project.name}-1`,
      '--json-status',
    ];
    this.#device = await this.#start<string>('@sanderling/agent/bin', args, (line, resolve) => {
      if (line['type'] === 'enrolled') resolve(String(line['device']));
      this.#tell({ kind: 'agent', line: line as unknown as AgentLine });
    });
    const input = this.#programs.at(-1)!.child.stdin!;
    return new Player(this.#options.playback.readings, async (readings) => {
      const text = readings.map((reading) => `${JSON.stringify(reading)}\n`).join('');
      if (!input.write(text)) await once(input, 'drain', { signal: this.#signal });
    });
  }

  /** The emulated board: enrols by itself, over the link; its sensor is played to. */
  async #startBoard(hub: HubClient, port: number, firmware: ReturnType<typeof buildBoard>): Promise<Player> {
    const { token = '' } = await hub.createToken(this.#options.project.name);
    const program = this.#undo.use(await this.#guard(firmware));
    const board = this.#undo.use(
      new Board({
        program,
        folder: join(this.#options.folder, 'device'),
        port,
        token,
        onAnswer: (answer) => this.#hearBoard(answer),
      }),
    );
    await board.start();
    this.#board = board;
    for (let device: Device | undefined; device === undefined; ) {
      await this.#guard(systemClock.sleep(arrivalPollMs, this.#signal));
      [device] = (await this.#guard(hub.devices())).items;
      this.#device = device?.id ?? '';
    }
    return new Player(this.#options.playback.readings, (readings) => board.measure(readings));
  }

  #hearBoard({ time, value, forecast, error, driftScore, rollingError, alarm }: BoardAnswer): void {
    const before = this.#story.valueTime ?? time;
    const cost = this.#story.cost;
    const line: AgentLine = {
      type: forecast.length > 0 ? 'forecast' : 'reading',
      time,
      value,
      error,
      driftScore,
      rollingError,
      ...(forecast.length === 0
        ? {}
        : { forecast: forecast.map((ahead, k) => ({ time: time + (k + 1) * (time - before), value: ahead })) }),
      ...(cost === null ? {} : { latencyMs: cost.instructions / (cost.megahertz * 1000) }),
    };
    this.#tell({ kind: 'agent', line });
    if (alarm === 'raised') this.#tell({ kind: 'agent', line: { type: 'drift', state: 'alarm', score: driftScore } });
  }

  /** What an agent would say of an update, from what the hub says of the board. */
  #hearUpdate({ type, subject, data }: HubEvent): void {
    if (this.#board === undefined || type !== 'device.status' || subject !== this.#device) return;
    const text = (name: string): string | null => (typeof data[name] === 'string' ? data[name] : null);
    const line = { type: 'update', stage: text('stage') ?? 'idle', release: text('release'), reason: text('reason') };
    this.#tell({ kind: 'agent', line });
  }

  /** Starts a program and waits for the line that says it is ready. */
  async #start<T>(
    door: string,
    args: readonly string[],
    listen: (line: Readonly<Record<string, unknown>>, resolve: (value: T) => void) => void,
  ): Promise<T> {
    const ready = Promise.withResolvers<T>();
    const program = startProgram({ door, args, onLine: (line) => listen(line, ready.resolve) });
    this.#programs.push(program);
    return await this.#guard(ready.promise);
  }

  async #followEvents(hub: HubClient): Promise<void> {
    try {
      for await (const event of hub.followEvents({ project: this.#options.project.name }, this.#signal)) {
        this.#tell({ kind: 'hub', event });
        this.#hearUpdate(event);
      }
    } catch (error) {
      if (!this.#signal.aborted) this.#failure = toSanderlingError(error);
    }
  }

  /** Plays the past and waits until the hub has all of it. */
  async #collectPast(player: Player, hub: HubClient): Promise<void> {
    const { playback, project } = this.#options;
    await this.#guard(player.rush(playback.past, this.#signal, (readings) => this.#tell({ kind: 'played', readings })));
    while ((await this.#guard(hub.readingSpan(project.name))).count < player.played) {
      await this.#guard(systemClock.sleep(arrivalPollMs, this.#signal));
    }
    this.#tell({ kind: 'collected', readings: player.played });
  }

  async #live(player: Player, hub: HubClient, result: () => LoopResult): Promise<void> {
    let closed = false;
    const speed = this.#options.speed ?? 1;
    await player.play(
      () => speed * this.#pace(),
      this.#signal,
      () => {
        this.#tell({ kind: 'played', readings: player.played });
        if (this.#isChangeDue()) this.#tell({ kind: 'changed', what: this.#options.playback.change() });
        this.#trainAgain(player, hub);
        if (this.#story.stage === 'recover' && this.#story.renewed.count > patience) throw notBetter(this.#story);
        if (this.#story.stage !== 'done' || closed) return;
        closed = true;
        if (this.#options.once) this.#over.abort();
        else this.#options.onClosed?.(result());
      },
    );
    if (this.#options.signal.aborted) throw new SanderlingError('CANCELLED', 'stopped');
    if (!closed) throw tooShort(this.#story, player.played);
    if (!this.#options.once && !this.#signal.aborted) await once(this.#signal, 'abort');
  }

  /** A first training that a gate stopped is tried again with more readings, as one would. @throws GATE_FAILED after the last try */
  #trainAgain(player: Player, hub: HubClient): void {
    const { playback, project } = this.#options;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#story.ended !== null) {
      if (this.#tries === mostTries) throw new SanderlingError('GATE_FAILED', this.#story.ended);
      this.#tries++;
      this.#trainAt = player.played + Math.ceil(playback.past * moreReadings);
      this.#tell({ kind: 'again' });
    }
    if (this.#trainAt === undefined || player.played < this.#trainAt) return;
    this.#trainAt = undefined;
    hub.train(project.name).catch((error: unknown) => (this.#failure = toSanderlingError(error)));
  }

  /** After enough calm; while the hub learns again because of an earlier alarm, only after much of it. */
  #isChangeDue(): boolean {
    const { stage, calm, relearning } = this.#story;
    const enough = this.#options.playback.patience?.calm ?? calmEnough;
    return stage === 'predict' && calm.count >= (relearning ? 5 * enough : enough);
  }

  #pace(): number {
    if (this.#trainAt !== undefined || (this.#story.stage === 'retrain' && this.#story.step === null))
      return paces.gathering;
    return stagePaces[this.#story.stage];
  }

  #tell(happening: Happening extends infer H ? (H extends unknown ? Omit<H, 'at'> : never) : never): void {
    this.#story = tell(this.#story, { ...happening, at: performance.now() - this.#began });
  }

  /** The work, unless a process dies or the caller gives up first. */
  async #guard<T>(work: Promise<T>): Promise<T> {
    const cancelled = new Promise<never>((_, reject) => {
      this.#options.signal.addEventListener('abort', () => reject(new SanderlingError('CANCELLED', 'stopped')));
    });
    cancelled.catch(() => undefined);
    return await Promise.race([work, cancelled, ...this.#crashes()]);
  }

  #crashes(): readonly Promise<never>[] {
    const board = this.#board === undefined ? [] : [this.#board.crashed];
    return [...this.#programs.map((program) => program.crashed), ...board];
  }

  #draw(): void {
    const { playback, project } = this.#options;
    const board = this.#options.device === 'board' ? ' · on an emulated STM32H745-class board (QEMU, Cortex-M7)' : '';
    this.#view.show(this.#story, {
      title: `${project.name} · ${playback.title}${board}`,
      unit: playback.unit,
      now: performance.now() - this.#began,
      ...(this.#hub === undefined ? {} : { hub: this.#hub }),
    });
  }
}

function notBetter(story: Story): SanderlingError {
  return new SanderlingError(
    'GATE_FAILED',
    `the error did not come back down: ${story.drifted.mean.toFixed(3)} under drift, ${story.renewed.mean.toFixed(3)} with the new release`,
  );
}

function tooShort(story: Story, played: number): SanderlingError {
  return new SanderlingError(
    'TOO_LITTLE_DATA',
    `the readings ended after ${played}, before the loop had closed (it was at: ${story.stage})`,
    { fix: 'give a longer file' },
  );
}
