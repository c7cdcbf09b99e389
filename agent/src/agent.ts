// The agent put together: intake and model on one side, the hub on the other, the outbox between them. Each side works without the other.
import { chmod } from 'node:fs/promises';
import { hostname } from 'node:os';
import { makeDataFolder, SanderlingError, systemClock, together, type Clock } from '@sanderling/kit';
import { agentVersion } from './agent-version.ts';
import { noCrash, type CrashHook } from './crash-points.ts';
import { Health } from './health.ts';
import { HubClient } from './hub/hub-client.ts';
import { NodeTransport } from './hub/transport.ts';
import { checkEnrolment, enrol } from './identity/enrol.ts';
import { loadIdentity, type Enrolment, type Identity } from './identity/identity.ts';
import { Engine } from './inference/engine.ts';
import { onnxRuntime } from './inference/model-runtime.ts';
import { takeIn } from './intake.ts';
import { layoutOf, type Layout } from './layout.ts';
import { keepCommitting } from './outbox/committer.ts';
import { keepDelivering } from './outbox/courier.ts';
import { Outbox, type OutboxOptions } from './outbox/outbox.ts';
import { PointerFile } from './releases/pointer.ts';
import { ReleaseManager } from './releases/release-manager.ts';
import { ReleaseStore } from './releases/release-store.ts';
import { keepPosting } from './releases/status-poster.ts';
import { UpdateBoard } from './releases/update-board.ts';
import { Updater } from './releases/updater.ts';
import { Reporter } from './reporter.ts';
import { noSource, type Source } from './sources/source.ts';
import type { Narrator } from './status/lines.ts';

/** How to run an agent. */
export interface AgentOptions {
  /** The hub's address, such as `http://127.0.0.1:8200`. */
  readonly hub: string;
  /** Folder for everything that the agent keeps; one agent a folder. */
  readonly data: string;
  /** One-time token; needed until the device is enrolled. */
  readonly token?: string;
  /** Where readings come from. @default none */
  readonly source?: Source;
  /** What people call the device: lower-case letters, digits and dashes. @default the host's name */
  readonly name?: string;
  /** @default none */
  readonly tags?: Readonly<Record<string, string>>;
  /** Told of everything notable. @default nobody */
  readonly narrate?: Narrator;
  readonly outbox?: OutboxOptions;
  /** Longest time that a reading waits in memory for the disk, milliseconds. @default 500 */
  readonly commitEveryMs?: number;
  /** Shortest time from one delivery to the next while little waits, milliseconds. @default 1000 */
  readonly deliverEveryMs?: number;
  /** Longest time between reports while readings come, milliseconds. @default 5000 */
  readonly reportEveryMs?: number;
  /** Most readings between reports. @default 100 */
  readonly reportEveryReadings?: number;
  /** Seconds that the hub may keep a question for news waiting, at most 30. @default 25 */
  readonly pollSeconds?: number;
  /** Longest silence of the hub, milliseconds. @default 30000 */
  readonly idleMs?: number;
  /** Largest release, bytes. @default 64 MiB */
  readonly maxBundleBytes?: number;
  /** Largest median time of a forecast during probation, milliseconds. @default 250 */
  readonly maxForecastMs?: number;
  readonly clock?: Clock;
  /** Uniform numbers in [0, 1) for the jitter of waits. @default Math.random */
  readonly random?: () => number;
  /** Tests only: called at every step after which the process may die. */
  readonly crash?: CrashHook;
}

/** An agent at work. */
export interface RunningAgent {
  /** Resolves when the agent has stopped; rejects with what ended it when that was not {@link stop} or the end of its source. */
  readonly done: Promise<void>;
  /** Stops cleanly: what was taken is on disk. */
  stop(): Promise<void>;
}

const defaults = {
  source: noSource,
  tags: {},
  narrate: (): void => undefined,
  commitEveryMs: 500,
  deliverEveryMs: 1000,
  reportEveryMs: 5000,
  reportEveryReadings: 100,
  pollSeconds: 25,
  idleMs: 30_000,
  maxBundleBytes: 64 << 20,
  maxForecastMs: 250,
  clock: systemClock,
  random: Math.random,
  crash: noCrash,
} as const;

/** How often probation is looked at and the monitor's state goes into the outbox, milliseconds. */
const tickMs = 1000;
const ticksPerSnapshot = 10;
/** How long an agent that ends with its source waits for the hub to take the rest, milliseconds. */
const restMs = 5000;

type Settings = AgentOptions & Required<Pick<AgentOptions, keyof typeof defaults>>;

/**
 * Starts an agent. When this returns, the last release serves again and readings are taken; the hub may come later.
 * @throws INVALID_CONFIG, UNAUTHENTICATED without a token, CONFLICT when the folder is in use or of another hub, CORRUPT, FORBIDDEN.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const agent = await Agent.open({ ...defaults, ...options });
  const done = agent.run();
  // Whoever embeds the agent may look at `done` later; until then a failure is not unhandled.
  done.catch(() => undefined);
  return { done, stop: () => agent.stop().then(() => done) };
}

class Agent {
  readonly #settings: Settings;
  readonly #layout: Layout;
  readonly #identity: Identity;
  readonly #outbox: Outbox;
  readonly #pointer: PointerFile;
  readonly #transport = new NodeTransport();
  readonly #hub: HubClient;
  readonly #engine = new Engine();
  readonly #board: UpdateBoard;
  readonly #health: Health;
  readonly #reporter: Reporter;
  readonly #stopping = new AbortController();
  #manager: ReleaseManager | undefined;

  static async open(settings: Settings): Promise<Agent> {
    const layout = layoutOf(settings.data);
    await makeDataFolder(layout.folder);
    const outbox = Outbox.open(layout.database, settings.outbox);
    try {
      await chmod(layout.database, 0o600);
      const identity = await loadIdentity(layout.identity);
      settings.crash('key-written');
      checkEnrolment(identity, settings.token);
      const { file: pointer, lost } = await PointerFile.open(layout.pointers);
      const agent = new Agent(settings, { layout, outbox, identity, pointer });
      if (identity.enrolment !== null) await agent.#bootReleases(identity.enrolment, lost);
      return agent;
    } catch (error) {
      outbox.close();
      throw error;
    }
  }

  private constructor(
    settings: Settings,
    parts: {
      readonly layout: Layout;
      readonly outbox: Outbox;
      readonly identity: Identity;
      readonly pointer: PointerFile;
    },
  ) {
    const { hub, idleMs, clock, narrate } = settings;
    this.#settings = settings;
    this.#layout = parts.layout;
    this.#outbox = parts.outbox;
    this.#identity = parts.identity;
    this.#pointer = parts.pointer;
    this.#hub = new HubClient({ hub, transport: this.#transport, clock, idleMs });
    this.#board = new UpdateBoard(narrate, agentVersion);
    this.#health = new Health(parts.layout.folder, parts.outbox);
    this.#reporter = new Reporter({
      outbox: parts.outbox,
      engine: this.#engine,
      health: this.#health,
      narrate,
      clock,
      everyMs: settings.reportEveryMs,
      everyReadings: settings.reportEveryReadings,
    });
  }

  async run(): Promise<void> {
    const { narrate } = this.#settings;
    const release = this.#engine.active?.digest ?? null;
    const device = this.#identity.enrolment?.device ?? null;
    narrate({ type: 'started', agentVersion, device, release, waiting: this.#outbox.state.waiting });
    try {
      await together(
        [(signal) => this.#intake(signal), (signal) => this.#hubSide(signal), (signal) => this.#tick(signal)],
        {
          signal: this.#stopping.signal,
        },
      );
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error;
    } finally {
      await this.#close();
      narrate({ type: 'stopped', waiting: this.#outbox.state.waiting });
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new SanderlingError('CANCELLED', 'the agent was stopped'));
  }

  /** Readings in, and onto the disk. */
  async #intake(signal: AbortSignal): Promise<void> {
    const { source, narrate, clock, commitEveryMs: everyMs } = this.#settings;
    const [outbox, engine, reporter] = [this.#outbox, this.#engine, this.#reporter];
    const parts = { source, outbox, engine, reporter, narrate, clock, manager: () => this.#manager };
    const takeAll = async (inner: AbortSignal): Promise<void> => {
      await takeIn(parts, inner);
      if (source.atEnd !== 'stop' || inner.aborted) return;
      await this.#deliverRest(inner);
      await this.stop();
    };
    await together([takeAll, (inner) => keepCommitting(outbox, { everyMs, clock, narrate }, inner)], { signal });
  }

  /** Everything that needs the hub. Only a refused enrolment ends it. */
  async #hubSide(signal: AbortSignal): Promise<void> {
    const { token, tags, clock, random, narrate, crash, deliverEveryMs: everyMs } = this.#settings;
    const name = this.#settings.name ?? deviceName(hostname());
    const path = this.#layout.identity;
    const desk = this.#hub;
    const options = { desk, path, token, name, tags, agentVersion, clock, random, narrate, crash };
    const enrolment = await enrol(this.#identity, options, signal);
    this.#hub.use({ device: enrolment.device, privateKey: this.#identity.key.privateKey });
    if (this.#manager === undefined) await this.#bootReleases(enrolment, false);
    const updater = this.#updater(enrolment, this.#manager!);
    const outbox = this.#outbox;
    await together(
      [
        (inner) => keepDelivering({ outbox, desk, narrate, clock, random, crash, everyMs }, inner),
        (inner) => keepPosting(this.#board, { desk, clock, random }, inner),
        (inner) => updater.watch(inner),
        (inner) => updater.converge(inner),
      ],
      { signal },
    );
  }

  /** Before a filter ends with its input, what it read gets its chance to reach the hub; what does not stays on the disk. */
  async #deliverRest(signal: AbortSignal): Promise<void> {
    const { clock } = this.#settings;
    const deadline = clock.now() + restMs;
    this.#outbox.urgent.ring();
    const left = (): number => this.#outbox.state.waiting + this.#outbox.state.pending;
    while (left() > 0 && clock.now() < deadline) await clock.sleep(50, signal);
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const { clock } = this.#settings;
    for (let ticks = 0; ; ticks++) {
      if (ticks % ticksPerSnapshot === 0) {
        await this.#health.measureDisk();
        this.#snapshot();
      }
      await this.#manager?.tick();
      await clock.sleep(tickMs, signal);
    }
  }

  async #bootReleases({ hubPublicKey }: Enrolment, pointerLost: boolean): Promise<void> {
    const { clock, crash, maxForecastMs } = this.#settings;
    const store = new ReleaseStore(this.#layout.releases, hubPublicKey);
    const [pointer, engine, outbox, board] = [this.#pointer, this.#engine, this.#outbox, this.#board];
    const parts = { store, pointer, engine, outbox, board, runtime: onnxRuntime, clock, crash, maxForecastMs };
    this.#manager = new ReleaseManager(parts);
    if (pointerLost) await this.#manager.recover();
    await this.#manager.boot();
  }

  #updater({ device, hubPublicKey }: Enrolment, manager: ReleaseManager): Updater {
    const { narrate, pollSeconds, maxBundleBytes, clock, random, crash } = this.#settings;
    const { releases, downloads } = this.#layout;
    const store = new ReleaseStore(releases, hubPublicKey);
    const shared = { narrate, pollSeconds, maxBundleBytes, clock, random, crash };
    const [desk, board, outbox] = [this.#hub, this.#board, this.#outbox];
    return new Updater({ desk, manager, store, board, outbox, device, hubPublicKey, downloads, ...shared });
  }

  /** What the monitor has learnt goes to the disk with the next readings. */
  #snapshot(): void {
    const { active } = this.#engine;
    if (active !== undefined) this.#outbox.remember('monitor', active.state());
  }

  async #close(): Promise<void> {
    this.#reporter.report();
    this.#snapshot();
    try {
      await this.#manager?.stop();
    } finally {
      this.#outbox.close();
      this.#transport.close();
    }
  }
}

/** A host's name as a device's name. */
function deviceName(host: string): string {
  const name = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63);
  return name === '' ? 'device' : name;
}
