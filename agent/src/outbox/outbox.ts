// Everything that the hub shall know, kept on disk until it does. Entries wait in memory for the next commit, are durable after it, are
// sent only then, and stay as history for a while after delivery. Nothing that was durable is lost but by the stated policy.
import { isDiskFull, SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { EventEntry, ReportEntry } from '@sanderling/wire/device';
import { Bell } from '../bell.ts';
import { OutboxTable, rowBytes, type Kind, type NumberedEntry, type Row } from './outbox-table.ts';
import { RecentReadings } from './recent-readings.ts';

/** Bounds of an outbox. */
export interface OutboxOptions {
  /** Undelivered entries. @default 200000 */
  readonly maxEntries?: number;
  /** Bytes of undelivered entries, counted as 24 an entry plus its JSON. @default 64 MiB */
  readonly maxBytes?: number;
  /** Entries held in memory while the disk takes none. @default 50000 */
  readonly memoryEntries?: number;
  /** Readings kept after delivery, for the window of the next release. @default 20000 */
  readonly historyReadings?: number;
  /** Bytes that the database file may take in all. @default 128 MiB */
  readonly maxFileBytes?: number;
}

/** How full the outbox is. */
export interface OutboxState {
  /** On disk and undelivered. */
  readonly waiting: number;
  /** In memory, not yet on disk. */
  readonly pending: number;
  /** Entries lost to a bound since the folder was made. */
  readonly dropped: number;
  /** What keeps entries off the disk, if anything does. */
  readonly trouble: SanderlingError | undefined;
}

/** What a commit came to. */
export interface CommitResult {
  /** Highest durable sequence number. */
  readonly seq: number;
  /** Readings made durable by this commit. */
  readonly readings: number;
  /** Set when the disk took entries again after an episode of trouble: how long it lasted and what it cost. */
  readonly recovered: { readonly error: SanderlingError; readonly dropped: number } | undefined;
}

interface Dropped {
  readings: number;
  reports: number;
  events: number;
  firstTime: number | null;
  lastTime: number | null;
}

/** Rows of one transaction: a disk with little space left can still take them one transaction after the other. */
const rowsPerTransaction = 2000;
/** The least that an eviction removes, as a share of the bound: not every commit shall evict. */
const evictShare = 0.005;
const evictionOrder = ['report', 'reading', 'event'] as const satisfies readonly Kind[];
const droppedField = { reading: 'readings', report: 'reports', event: 'events' } as const;
const none = (): Dropped => ({ readings: 0, reports: 0, events: 0, firstTime: null, lastTime: null });

/** The outbox of a device. All calls are synchronous; {@link commit} is the only one that waits for the disk. */
export class Outbox {
  readonly #table: OutboxTable;
  readonly #bounds: Required<OutboxOptions>;
  readonly #recent: RecentReadings;
  /** Rung whenever entries became durable. */
  readonly stored = new Bell();
  /** Rung when an event became durable. */
  readonly eventStored = new Bell();
  /** Rung when there is something to commit. */
  readonly taken = new Bell();
  /** Rung when it should be committed without delay. */
  readonly urgent = new Bell();
  #pending: Row[] = [];
  readonly #facts = new Map<string, string>();
  #id: string;
  #acked: number;
  #leased: number;
  #settled: number;
  #waiting = { count: 0, bytes: 0 };
  #dropped: Dropped;
  #droppedTotal: number;
  #trouble: SanderlingError | undefined;
  #droppedInTrouble = 0;

  /** Opens the outbox at `path`. @throws CONFLICT when another process has it open. */
  static open(path: string, options: OutboxOptions = {}): Outbox {
    const bounds = {
      maxEntries: 200_000,
      maxBytes: 64 << 20,
      memoryEntries: 50_000,
      historyReadings: 20_000,
      maxFileBytes: 128 << 20,
      ...options,
    };
    const { table, damaged } = OutboxTable.open(path, bounds.maxFileBytes);
    const outbox = new Outbox(table, bounds);
    if (damaged) {
      const data = { reason: 'the database was damaged; it was set aside and a new one begun' };
      outbox.add({ kind: 'event', time: Date.now(), type: 'outbox.reset', data });
    }
    return outbox;
  }

  private constructor(table: OutboxTable, bounds: Required<OutboxOptions>) {
    this.#table = table;
    this.#bounds = bounds;
    this.#id = table.identity();
    this.#acked = Number(table.fact('acked') ?? 0);
    this.#settled = this.#acked;
    this.#leased = this.#acked;
    this.#dropped = JSON.parse(table.fact('dropped') ?? 'null') ?? none();
    this.#droppedTotal = Number(table.fact('dropped-total') ?? 0);
    const { count, bytes } = table.weigh(this.#acked, Number.MAX_SAFE_INTEGER);
    this.#waiting = { count, bytes };
    this.#recent = new RecentReadings(bounds.historyReadings);
    for (const { time, value } of [...table.newestReadings(bounds.historyReadings)].reverse())
      this.#recent.add(time, value);
    if (count > 0) this.stored.ring();
  }

  /** Identity of this outbox: sequence numbers mean something only together with it. */
  get id(): string {
    return this.#id;
  }

  /** The newest readings, oldest first, durable or not. */
  get recent(): Iterable<{ readonly time: number; readonly value: number }> {
    return this.#recent;
  }

  get state(): OutboxState {
    return {
      waiting: this.#waiting.count,
      pending: this.#pending.length,
      dropped: this.#droppedTotal,
      trouble: this.#trouble,
    };
  }

  /** Takes a reading. `time`: whole milliseconds. */
  addReading(time: number, value: number): void {
    this.#recent.add(time, value);
    this.#push({ kind: 'reading', time, value, body: null });
  }

  /** Takes an event or a report; an event is committed without delay. */
  add(entry: EventEntry | ReportEntry): void {
    this.#push({ kind: entry.kind, time: entry.time, value: null, body: JSON.stringify(entry) });
    if (entry.kind === 'event') this.urgent.ring();
  }

  /** Keeps a small text beside the entries; durable with the next commit. */
  remember(name: string, text: string): void {
    this.#facts.set(`note:${name}`, text);
  }

  /** What {@link remember} kept under this name. */
  recall(name: string): string | undefined {
    return this.#facts.get(`note:${name}`) ?? this.#table.fact(`note:${name}`);
  }

  /**
   * Makes everything taken so far durable. Never throws for a full or failing disk: the entries then stay in memory, bounded, and the
   * next commit tries again; see {@link OutboxState.trouble}.
   */
  commit(): CommitResult {
    let readings = 0;
    try {
      do readings += this.#commitSome();
      while (this.#pending.length > 0);
    } catch (error) {
      this.#trouble ??= storageError(error);
      this.#boundPending();
      return { seq: this.#table.lastSeq(), readings, recovered: undefined };
    }
    const recovered =
      this.#trouble === undefined ? undefined : { error: this.#trouble, dropped: this.#droppedInTrouble };
    this.#trouble = undefined;
    this.#droppedInTrouble = 0;
    if (this.#waiting.count > 0) this.stored.ring();
    return { seq: this.#table.lastSeq(), readings, recovered };
  }

  /** The next undelivered entries, durable ones only. They are safe from eviction until the next call. */
  batch(limit: number): NumberedEntry[] {
    const entries = this.#table.batch(this.#acked, limit);
    this.#leased = entries.at(-1)?.seq ?? this.#acked;
    return entries;
  }

  /**
   * Notes that the hub holds everything up to `seq` for good.
   * @returns false when the hub knows numbers that were never given here: this file is an old copy, and it has taken a new identity.
   */
  acknowledge(seq: number): boolean {
    if (seq > this.#table.lastSeq()) {
      let id = this.#id;
      this.#table.transaction(() => {
        id = this.#table.identity(true);
      });
      this.#id = id;
      return false;
    }
    if (seq <= this.#acked) return true;
    const { count, bytes } = this.#table.weigh(this.#acked, seq);
    this.#waiting = { count: this.#waiting.count - count, bytes: this.#waiting.bytes - bytes };
    this.#acked = seq;
    this.#leased = Math.max(this.#leased, seq);
    this.taken.ring();
    return true;
  }

  /** Drops one entry that the hub will never take, and counts it. */
  refuse({ seq, entry }: NumberedEntry): void {
    this.#countDropped(entry.kind, { count: 1, firstTime: entry.time, lastTime: entry.time });
    this.acknowledge(seq);
  }

  /** What was lost to a bound since the last call, as an event to send; undefined when nothing was. */
  takeDropped(): EventEntry['data'] | undefined {
    const { readings, reports, events, firstTime, lastTime } = this.#dropped;
    if (readings + reports + events === 0) return undefined;
    this.#dropped = none();
    return { readings, reports, events, firstTime, lastTime, total: this.#droppedTotal };
  }

  /** Commits what it can and closes the file. */
  close(): void {
    this.commit();
    this.#table.close();
  }

  #push(row: Row): void {
    this.#pending.push(row);
    if (this.#pending.length === 1) this.taken.ring();
    if (this.#trouble === undefined && this.#pending.length === rowsPerTransaction) this.urgent.ring();
    if (this.#pending.length > this.#bounds.memoryEntries) this.#boundPending();
  }

  /** One transaction: what was delivered goes, what does not fit goes, what waits comes. Returns how many readings came. */
  #commitSome(): number {
    const rows = this.#pending.slice(0, rowsPerTransaction);
    // Facts belong to everything taken before them: they go with the last rows, never ahead of them.
    const facts = rows.length === this.#pending.length ? this.#facts : new Map<string, string>();
    if (rows.length === 0 && facts.size === 0 && this.#acked === this.#settled) return 0;
    const before = { dropped: { ...this.#dropped }, total: this.#droppedTotal, waiting: this.#waiting };
    try {
      this.#table.transaction(() => {
        this.#forgetDelivered();
        this.#makeRoom(rows);
        for (const row of rows) this.#table.insert(row);
        for (const [name, text] of facts) this.#table.setFact(name, text);
        this.#table.setFact('acked', String(this.#acked));
        this.#table.setFact('dropped', JSON.stringify(this.#dropped));
        this.#table.setFact('dropped-total', String(this.#droppedTotal));
      });
    } catch (error) {
      this.#dropped = before.dropped;
      this.#droppedTotal = before.total;
      this.#waiting = before.waiting;
      throw error;
    }
    this.#pending.splice(0, rows.length);
    this.#settled = this.#acked;
    facts.clear();
    if (rows.some((row) => row.kind === 'event')) this.eventStored.ring();
    const bytes = rows.reduce((sum, row) => sum + weightOf(row), 0);
    this.#waiting = { count: this.#waiting.count + rows.length, bytes: this.#waiting.bytes + bytes };
    return rows.filter((row) => row.kind === 'reading').length;
  }

  /** Delivered events and reports go; of delivered readings the newest stay as history, unless their space is needed. */
  #forgetDelivered(): void {
    if (this.#trouble !== undefined) this.#table.deleteKind('reading', 0, this.#acked);
    if (this.#acked === this.#settled) return;
    this.#table.deleteKind('report', 0, this.#acked);
    this.#table.deleteKind('event', 0, this.#acked);
    const floor = this.#table.lastSeq() - this.#bounds.historyReadings;
    if (floor > 0) this.#table.deleteKind('reading', 0, Math.min(this.#acked, floor));
  }

  /** The policy of a full outbox: oldest reports first, then oldest readings, events last. Entries on their way to the hub stay. */
  #makeRoom(rows: readonly Row[]): void {
    const { maxEntries, maxBytes } = this.#bounds;
    const bytes = rows.reduce((sum, row) => sum + weightOf(row), 0);
    for (const kind of evictionOrder) {
      const entries = this.#waiting.count + rows.length - maxEntries;
      const excess = Math.max(entries, Math.ceil((this.#waiting.bytes + bytes - maxBytes) / rowBytes));
      if (excess <= 0) return;
      const cut = this.#table.nth(kind, this.#leased, Math.max(excess, Math.ceil(maxEntries * evictShare)));
      if (cut !== undefined) this.#evict(kind, cut);
    }
  }

  #evict(kind: Kind, upTo: number): void {
    const weight = this.#table.weigh(this.#leased, upTo, kind);
    this.#table.deleteKind(kind, this.#leased, upTo);
    this.#waiting = { count: this.#waiting.count - weight.count, bytes: this.#waiting.bytes - weight.bytes };
    this.#countDropped(kind, weight);
  }

  /** The same policy in memory, while the disk takes nothing. */
  #boundPending(): void {
    let excess = this.#pending.length - this.#bounds.memoryEntries;
    if (excess <= 0) return;
    // Some slack, so that not every reading moves the whole list.
    excess += Math.ceil(this.#bounds.memoryEntries * 0.02);
    for (const kind of evictionOrder) {
      this.#pending = this.#pending.filter((row) => {
        if (row.kind !== kind || excess === 0) return true;
        excess--;
        this.#countDropped(kind, { count: 1, firstTime: row.time, lastTime: row.time });
        this.#droppedInTrouble++;
        return false;
      });
    }
  }

  #countDropped(
    kind: Kind,
    lost: { readonly count: number; readonly firstTime: number | null; readonly lastTime: number | null },
  ): void {
    const dropped = this.#dropped;
    dropped[droppedField[kind]] += lost.count;
    this.#droppedTotal += lost.count;
    if (lost.count === 0 || kind !== 'reading') return;
    dropped.firstTime = Math.min(dropped.firstTime ?? Number.POSITIVE_INFINITY, lost.firstTime!);
    dropped.lastTime = Math.max(dropped.lastTime ?? Number.NEGATIVE_INFINITY, lost.lastTime!);
  }
}

function weightOf(row: Row): number {
  return rowBytes + (row.body?.length ?? 0);
}

function storageError(error: unknown): SanderlingError {
  if (isDiskFull(error))
    return new SanderlingError('DISK_FULL', 'the disk is full; readings are held in memory and predictions go on', {
      fix: 'free some space',
      cause: error,
    });
  const { message } = toSanderlingError(error);
  return new SanderlingError('INTERNAL', `the disk takes nothing (${message}); readings are held in memory`, {
    cause: error,
  });
}
