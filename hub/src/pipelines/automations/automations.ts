// Automations: an event becomes an execution, after enough fresh readings have come. Their state is in the database and survives a restart.
import { toSanderlingError, type Clock } from '@sanderling/kit';
import { durationMs, type AutomationSpec, type HubEvent, type Project } from '@sanderling/wire';
import type { EventLog } from '../../events/index.ts';
import type { Releases, Rollouts } from '../../releases/index.ts';
import type { Database } from '../../store/index.ts';
import type { Pipelines } from '../pipelines.ts';
import type { DataSource, ProjectSource } from '../ports.ts';
import { AutomationStore } from './automation-store.ts';
import { arm, isReady, mostTries, settle, type AutomationState, type Trigger } from './decide.ts';

/** What automations are built on. */
export interface AutomationParts {
  readonly database: Database;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly projects: ProjectSource & { list(): Promise<readonly Project[]> };
  readonly data: Pick<DataSource, 'span'>;
  readonly pipelines: Pipelines;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  /** How often armed automations look for fresh readings, milliseconds. @default 500 */
  readonly pollMs?: number;
}

/** Events that automations do something about. */
const causes = ['drift.alarm', 'readings.imported', 'execution.finished', 'project.saved'];
/** How often schedules are looked at while nothing is armed, milliseconds. */
const idlePollMs = 5000;

/** The automations of a hub. */
export class Automations {
  readonly #parts: AutomationParts;
  readonly #store: AutomationStore;
  #wake: () => void = () => undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: AutomationParts) {
    this.#parts = parts;
    this.#store = new AutomationStore(parts.database);
  }

  /** Follows the events and the clock until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    for (const project of await this.#parts.projects.list()) await this.#plan(project);
    signal.addEventListener('abort', () => this.#wake());
    await Promise.all([
      this.#parts.events.consume('automations', (event) => this.#alone(() => this.#note(event)), signal, causes),
      this.#watch(signal),
    ]);
  }

  /** The states of a project's automations that have ever done something. */
  list(project: string): Promise<AutomationState[]> {
    return this.#store.list({ project });
  }

  async #note(event: HubEvent): Promise<void> {
    if (event.project === null) return;
    switch (event.type) {
      case 'drift.alarm':
      case 'readings.imported':
        return this.#trigger(event.project, event.type, event);
      case 'execution.finished':
        return this.#settle(event);
      case 'project.saved':
        return this.#plan(await this.#parts.projects.get(event.project));
      default:
    }
  }

  /** Events and the clock never change an automation at the same time. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Schedules get a due time, automations that are gone are forgotten. */
  async #plan({ name, spec }: Project): Promise<void> {
    await this.#store.removeFrom(name, spec.automations.length);
    for (const [position, automation] of spec.automations.entries()) {
      const state = await this.#store.get(name, position);
      const dueAt =
        automation.when === 'schedule' && automation.every !== undefined
          ? (state.dueAt ?? this.#parts.clock.now() + durationMs(automation.every))
          : null;
      if (dueAt !== state.dueAt) await this.#store.put({ ...state, dueAt });
    }
    this.#wake();
  }

  async #trigger(project: string, when: AutomationSpec['when'], event: HubEvent): Promise<void> {
    const { spec } = await this.#parts.projects.get(project);
    const matching = [...spec.automations.entries()].filter(([, automation]) => automation.when === when);
    if (matching.length === 0) return;
    const time = await this.#readingTime(event);
    const freshFrom = when === 'drift.alarm' ? time : null;
    const stale = when === 'drift.alarm' ? await this.#staleness(project, event) : undefined;
    for (const [position, automation] of matching) {
      const trigger = { cause: event.id, time, freshFrom };
      if (stale === undefined) await this.#arm(project, { position, automation }, trigger);
      else await this.#skip(project, { position, automation }, stale);
    }
  }

  /** Why an alarm says nothing new: it comes from a model that is being replaced already. */
  async #staleness(project: string, event: HubEvent): Promise<string | undefined> {
    const digest = event.data['release'];
    if (typeof digest !== 'string') return undefined;
    const release = await this.#parts.releases.get(digest).catch(() => undefined);
    const newest = await this.#parts.rollouts.newestVersion(project);
    if (release === undefined || newest === undefined || release.version >= newest) return undefined;
    return `the alarm is about version ${release.version}, and version ${newest} has taken its place`;
  }

  async #arm(project: string, { position, automation }: Place, trigger: Trigger): Promise<void> {
    const state = await this.#store.get(project, position);
    if (state.cause === trigger.cause && state.state !== 'idle') return;
    const armed = arm(state, automation, { trigger, readings: await this.#parts.data.span(project) });
    if (typeof armed === 'string') return this.#skip(project, { position, automation }, armed);
    await this.#store.put(armed, (tx) => this.#tell('automation.armed', armed, { automation, tx }));
    await this.#startIfReady(armed, automation);
    this.#wake();
  }

  async #skip(project: string, { position, automation }: Place, reason: string): Promise<void> {
    const data = { when: automation.when, position, reason };
    await this.#parts.events.append({ type: 'automation.skipped', project, subject: `${project}/${position}`, data });
  }

  async #settle(event: HubEvent): Promise<void> {
    const { subject, data, project } = event;
    const [state] = subject === null ? [] : await this.#store.list({ execution: subject });
    if (state === undefined || state.state !== 'running') return;
    const automation = await this.#specOf(state);
    if (automation === undefined) return;
    const readings = await this.#parts.data.span(project!);
    const { state: next, reason } = settle(state, automation, {
      end: String(data['state']),
      code: typeof data['code'] === 'string' ? data['code'] : null,
      readings,
    });
    const type = next.state === 'armed' ? 'automation.armed' : 'automation.skipped';
    await this.#store.put(next, async (tx) => {
      if (reason !== null) await this.#tell(type, next, { automation, tx, reason });
    });
    this.#wake();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, pollMs = 500 } = this.#parts;
    while (!signal.aborted) {
      const rung = new Promise<void>((resolve) => (this.#wake = resolve));
      const armed = await this.#alone(() => this.#look()).catch((error: unknown) => {
        process.emitWarning(`automations could not be looked at: ${toSanderlingError(error).message}`);
        return 1;
      });
      const sleeping = new AbortController();
      await Promise.race([rung, clock.sleep(armed > 0 ? pollMs : idlePollMs, sleeping.signal).catch(() => undefined)]);
      sleeping.abort();
    }
  }

  /** Starts what is ready, arms what is due. @returns how many wait for readings. */
  async #look(): Promise<number> {
    let armed = 0;
    for (const state of await this.#store.list()) {
      const automation = await this.#specOf(state);
      if (automation === undefined) continue;
      if (state.state === 'armed') armed += (await this.#startIfReady(state, automation)) ? 0 : 1;
      else await this.#armIfDue(state, automation);
    }
    return armed;
  }

  async #armIfDue(state: AutomationState, automation: AutomationSpec): Promise<void> {
    const now = this.#parts.clock.now();
    if (state.dueAt === null || automation.every === undefined || now < state.dueAt) return;
    const { project, position } = state;
    await this.#store.put({ ...state, dueAt: now + durationMs(automation.every) });
    const { lastTime } = await this.#parts.data.span(project);
    const trigger = { cause: `schedule ${state.dueAt}`, time: lastTime ?? now, freshFrom: null };
    await this.#arm(project, { position, automation }, trigger);
  }

  async #startIfReady(state: AutomationState, automation: AutomationSpec): Promise<boolean> {
    const { pipelines, data } = this.#parts;
    const readings = await data.span(state.project);
    if (!isReady(state, readings)) return false;
    const { project, position, freshFrom } = state;
    // The text is the identity of this start: after a crash between the two writes below it is found again instead of started twice.
    const trigger = triggerText(state, automation);
    const { id } =
      (await pipelines.findByTrigger(project, trigger)) ??
      (await pipelines.begin(project, { trigger, actions: automation.run, freshFrom, automation: position }));
    const running = { ...state, state: 'running' as const, execution: id, lastStart: readings.lastTime };
    await this.#store.put(running, (tx) => this.#tell('automation.started', running, { automation, tx }));
    return true;
  }

  async #specOf({ project, position }: AutomationState): Promise<AutomationSpec | undefined> {
    return (await this.#parts.projects.get(project)).spec.automations[position];
  }

  async #readingTime({ data, project }: HubEvent): Promise<number> {
    const told = data['deviceTime'] ?? data['lastTime'];
    if (typeof told === 'number') return told;
    return (await this.#parts.data.span(project!)).lastTime ?? this.#parts.clock.now();
  }

  #tell(
    type: 'automation.armed' | 'automation.started' | 'automation.skipped',
    state: AutomationState,
    {
      automation,
      tx,
      reason,
    }: { readonly automation: AutomationSpec; readonly tx: Database; readonly reason?: string },
  ): Promise<void> {
    const { project, position, cause, waitUntilTime, waitUntilCount, tries, execution, freshFrom } = state;
    const facts = { when: automation.when, run: automation.run, position, cause, tries, execution, freshFrom };
    const data = { ...facts, waitUntilTime, waitUntilCount, ...(reason === undefined ? {} : { reason }) };
    return this.#parts.events.append({ type, project, subject: `${project}/${position}`, data }, tx);
  }
}

/** A start for a cause: no two of them wait for the same. */
function triggerText(
  { cause, tries, waitUntilCount, waitUntilTime }: AutomationState,
  { when }: AutomationSpec,
): string {
  const at = waitUntilTime === null ? [] : [`readings of ${new Date(waitUntilTime).toISOString()}`];
  if (waitUntilCount !== null) at.push(`${waitUntilCount} readings`);
  return [`${when} ${cause}, try ${tries} of ${mostTries}`, ...at].join(', at ');
}

interface Place {
  readonly position: number;
  readonly automation: AutomationSpec;
}
