// The works during which the power of a board is cut: enrolment, an update, a model that dies, a return that the hub orders, an outbox that goes round.
import { createHash } from 'node:crypto';
import { releaseNews, type CutHands } from './cut-hands.ts';
import type { CutEnd, CutWork } from './cut-trial.ts';
import { fillRing, fillSettings, readRing, type RingEntry, type RingRecord } from './flash-content.ts';

const device = 'dev_cuts';
const key = createHash('sha256').update('a device whose power goes').digest();
const served = {
  identity: { device, key },
  introduce: (hub) => void hub.keys.set(device, key),
  /** Model 2 is in charge in slot B, model 1 in slot A is what it would return to; the settings are about to go on in the other sector. */
  prepare: async (hands) => {
    await hands.feed(2);
    await hands.install(1);
    await hands.install(2);
    await hands.settled();
  },
  arrange: (flash) => fillSettings(flash, 3),
} as const satisfies Partial<CutWork>;

const told = ({ entries }: CutEnd): readonly string[] =>
  entries.flatMap((entry) => (entry.kind === 'event' && entry.type.startsWith('release.') ? [releaseNews(entry)] : []));

function ends(end: CutEnd, want: { active: 0 | 1; floor: number; news: readonly string[] }): readonly string[] {
  const { active, floor, probation, updating } = end.settings;
  const broken = [];
  if (active !== want.active) broken.push(`slot ${active} is in charge`);
  if (floor !== want.floor) broken.push(`the floor is ${floor}`);
  if (probation || updating !== null) broken.push('something is not finished');
  const news = told(end).join(', ');
  if (news !== want.news.join(', ')) broken.push(`the news were: ${news}`);
  return broken;
}

/** Model 3 is written over model 1, takes over, and proves itself; readings before, between and after. */
const update: CutWork = {
  ...served,
  name: 'update',
  work: async (hands) => {
    await hands.feed(2);
    const slot = await hands.write({ sequence: 3, ballast: 500 });
    await hands.feed(1);
    await hands.switchTo(slot, 3);
    await hands.prove(slot);
    await hands.feed(2);
    await hands.settled();
  },
  judge: (end) => ends(end, { active: 0, floor: 3, news: ['release.switched 3 ok', 'release.activated 3 ok'] }),
};

const larger = { sequence: 3, ballast: 10_000 };
/** An update goes on behind a checkpoint, over words that the flash already has. */
const halfUpdate: CutWork = {
  ...served,
  name: 'second half of an update',
  prepare: async (hands) => {
    await served.prepare(hands);
    await hands.writeSome(larger, 9216);
  },
  work: async (hands) => {
    const slot = await hands.write(larger);
    await hands.switchTo(slot, 3);
    await hands.prove(slot);
    await hands.settled();
  },
  judge: (end) => update.judge(end),
};

/** Model 3 faults whenever it has heard three readings: the board restarts, counts, and returns to model 2. */
const dying: CutWork = {
  ...served,
  name: 'model that faults',
  prepare: async (hands) => {
    await served.prepare(hands);
    await hands.write({ sequence: 3, ballast: 500, ends: 'faults' });
  },
  work: async (hands) => {
    await hands.feed(1);
    await hands.switchTo(0, 3);
    while (!hands.news().some((news) => news.startsWith('release.rolled-back 3'))) await hands.settled();
    await hands.feed(3);
    await hands.settled();
  },
  judge: (end) => ends(end, { active: 1, floor: 2, news: ['release.switched 3 ok', 'release.rolled-back 3 died'] }),
};

/** The hub wants model 1 back. */
const rollback: CutWork = {
  ...served,
  name: 'return ordered by the hub',
  stepsBack: true,
  work: async (hands) => {
    await hands.feed(1);
    await hands.hub.persist(async (session) => {
      if ((await session.status()).active === 1) await session.rollback();
    });
    await hands.feed(2);
    await hands.settled();
  },
  judge: (end) => ends(end, { active: 0, floor: 1, news: ['release.rolled-back 2 ok'] }),
};

const tokenId = 'tok'.padEnd(26, '0');
const secret = 'e5'.repeat(32);

/** A device that has a token becomes known, gets its key and an outbox, and measures. */
const enrolment: CutWork = {
  name: 'enrolment',
  identity: { token: `sdl_${tokenId}_${secret}_${'0'.repeat(32)}` },
  introduce: (hub) => void hub.tokens.set(tokenId, createHash('sha256').update(secret).digest()),
  prepare: async () => undefined,
  work: async (hands) => {
    await hands.feed(3);
    await hands.settled();
  },
  judge: ({ hub, settings }) => {
    const broken = [];
    const known = hub.keys.get(settings.device);
    if (known === undefined || Buffer.from(known).toString('hex') !== settings.key)
      broken.push('the key is not the hub’s');
    if (hub.installations.size !== 1 || hub.keys.size !== 1) broken.push('the token served more than one device');
    if ([...hub.stored.keys()].join() !== settings.outbox) broken.push('entries came from another outbox');
    return broken;
  },
};

const alarmRest = Buffer.alloc(76);
alarmRest.writeUInt16LE(2);
const oneReading = Buffer.alloc(4);
/** Twelve alarms in the oldest sector; the rest are readings. They are older than what is fed. */
const ringEntry = (index: number): RingEntry => {
  const time = Date.UTC(2025, 0, 1) + index;
  return index >= 1000 && index < 3400 && index % 200 === 0
    ? { kind: 'event', time, rest: alarmRest }
    : { kind: 'reading', time, rest: oneReading };
};

interface Tally {
  readings: number;
  alarms: number;
  lostReadings: number;
  lostEvents: number;
  readonly twice: number[];
}

/** What is in a ring, and what it says was lost: counts, and events that told of them. */
function tally(ring: readonly RingRecord[]): Tally {
  const seen = new Set<number>();
  const sum: Tally = { readings: 0, alarms: 0, lostReadings: 0, lostEvents: 0, twice: [] };
  let untold: readonly [number, number] = [0, 0];
  for (const { kind, time, rest } of ring) {
    const type = kind === 'event' ? rest.readUInt16LE(0) : 0;
    if (kind === 'losses') untold = [rest.readUInt32LE(0), rest.readUInt32LE(8)];
    if (type === 9) {
      sum.lostReadings += rest.readUInt32LE(44);
      sum.lostEvents += rest.readUInt32LE(52);
      untold = [0, 0];
    }
    if (kind !== 'reading' && type !== 2) continue;
    if (seen.has(time)) sum.twice.push(time);
    seen.add(time);
    if (kind === 'reading') sum.readings += 1;
    else sum.alarms += 1;
  }
  sum.lostReadings += untold[0];
  sum.lostEvents += untold[1];
  return sum;
}

const fedRound = 8;

/** A ring full of readings and alarms that the hub does not take goes round; what is in it then is read from the flash. */
const ring: CutWork = {
  ...served,
  name: 'outbox that goes round',
  arrange: (flash, hands) =>
    fillRing(flash, { entry: ringEntry, first: hands.hub.entries.at(-1)!.number + 1, left: 6 }),
  work: async (hands: CutHands) => {
    hands.hub.failStores = Infinity;
    const before = hands.fed.length;
    for (let fed = 0; fed < fedRound; fed += 1) await hands.feed(1);
    // They are in the flash; the hub has none of them.
    hands.fed.splice(before);
  },
  judge: ({ flash, base }) => {
    const [found, before] = [tally(readRing(flash)), tally(readRing(base))];
    const broken = found.twice.map((time) => `the entry of ${time} is there twice`);
    if (found.readings + found.lostReadings !== before.readings + fedRound)
      broken.push(`${found.readings} readings and ${found.lostReadings} lost of ${before.readings + fedRound}`);
    if (found.alarms + found.lostEvents !== before.alarms)
      broken.push(`${found.alarms} alarms and ${found.lostEvents} lost of ${before.alarms}`);
    return broken;
  },
};

/** All of them. */
export const cutWorks = { enrolment, update, halfUpdate, dying, rollback, ring } as const satisfies Record<
  string,
  CutWork
>;
