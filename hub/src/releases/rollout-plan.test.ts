// Roll-outs, whatever devices do: one release at a time for each, waves only after the wave before, an end unless an offline device is waited for.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { abort, advance, cancel, newPlan, observe, type Offer, type Plan, type Surroundings } from './rollout-plan.ts';

const release = 'b'.repeat(64);
const before = 'a'.repeat(64);
const behaviours = ['good', 'fails', 'refuses', 'stalls', 'offline', 'late'] as const;
type Behaviour = (typeof behaviours)[number];

const waves = fc.constantFrom([100], [50, 100], [10, 50, 100], [1, 2, 3, 100]);
const fleet = fc.array(fc.constantFrom<Behaviour>(...behaviours), { minLength: 0, maxLength: 12 });
const rules = { stallAfterMs: 1000, offlineAfterMs: 100 };

/** A fleet that behaves, and what happens to a roll-out on it. */
class World {
  now = 1_000_000;
  plan: Plan;
  readonly offers: Offer[] = [];
  readonly #behaviours: ReadonlyMap<string, Behaviour>;
  readonly #active = new Map<string, string | null>();
  /** Stage that each device is in for the release that it was told to run. */
  readonly #stage = new Map<string, number>();
  readonly #told = new Map<string, string | null>();

  constructor(fleet: readonly Behaviour[], percents: readonly number[], abortAfter: number) {
    this.#behaviours = new Map(fleet.map((behaviour, i) => [`dev_${i}`, behaviour]));
    for (const device of this.#behaviours.keys()) this.#active.set(device, before);
    const candidates = [...this.#behaviours.keys()].map((device) => ({ device, name: device, release }));
    this.plan = newPlan(
      candidates,
      { version: 7, waves: percents, abortAfter, stallAfterMs: rules.stallAfterMs },
      this.now,
    );
  }

  get around(): Surroundings {
    return {
      now: this.now,
      isOnline: (device) => this.isOnline(device),
      activeOn: (device) => this.#active.get(device) ?? null,
      offlineAfterMs: rules.offlineAfterMs,
    };
  }

  isOnline(device: string): boolean {
    const behaviour = this.#behaviours.get(device);
    return behaviour !== 'offline' && (behaviour !== 'late' || this.now > 1_000_500);
  }

  activeOn(device: string): string | null {
    return this.#active.get(device) ?? null;
  }

  /** Lets the hub think, then one device act. */
  turn(pick: number): void {
    this.apply(advance(this.plan, this.around));
    const devices = [...this.#behaviours.keys()];
    const device = devices[pick % Math.max(1, devices.length)];
    if (device !== undefined && this.isOnline(device)) this.#act(device);
    this.now += 20;
  }

  apply({ plan, offers }: { plan: Plan; offers: readonly Offer[] }): void {
    this.plan = plan;
    for (const offer of offers) {
      this.offers.push(offer);
      this.#told.set(offer.device, offer.release);
      this.#stage.set(offer.device, 0);
    }
  }

  #act(device: string): void {
    const told = this.#told.get(device);
    if (told === undefined) return;
    if (told !== release) {
      this.#active.set(device, told);
      return;
    }
    const behaviour = this.#behaviours.get(device)!;
    const stages = {
      good: ['downloading', 'testing', 'probation', 'active'],
      late: ['downloading', 'active'],
      fails: ['downloading', 'probation', 'rolled-back'],
      refuses: ['verifying', 'refused'],
      stalls: ['downloading'],
      offline: [],
    }[behaviour] as ('downloading' | 'probation' | 'active' | 'rolled-back')[];
    const at = Math.min(this.#stage.get(device) ?? 0, stages.length - 1);
    const stage = stages[at]!;
    this.#stage.set(device, at + 1);
    if (stage === 'probation' || stage === 'active') this.#active.set(device, release);
    if (stage === 'rolled-back') this.#active.set(device, before);
    const seen = { release, stage, reason: null, active: this.activeOn(device) };
    this.plan = observe(this.plan, device, seen, this.now);
  }
}

test('a roll-out ends, or waits for an offline device; nobody is offered a wave before its turn', () => {
  fc.assert(
    fc.property(
      fleet,
      waves,
      fc.integer({ min: 1, max: 3 }),
      fc.infiniteStream(fc.nat(1000)),
      (devices, percents, abortAfter, picks) => {
        const world = new World(devices, percents, abortAfter);
        for (let i = 0; i < 600 && world.plan.state === 'running'; i++) {
          const { wave, members } = world.plan;
          world.turn(picks.next().value as number);
          for (const member of world.plan.members) {
            const isBegun = members.find((other) => other.device === member.device)!.offeredAt !== null;
            if (member.offeredAt !== null && !isBegun) expect(member.wave).toBeLessThanOrEqual(world.plan.wave);
          }
          expect(world.plan.wave).toBeGreaterThanOrEqual(wave);
        }
        const { plan } = world;
        if (plan.state === 'running') {
          const waited = plan.members.filter(({ state }) => state === 'offered');
          expect(waited.length).toBeGreaterThan(0);
          expect(waited.every(({ device }) => !world.isOnline(device))).toBe(true);
          expect(plan.members.some(({ state }) => state === 'active')).toBe(false);
        }
        const failed = plan.members.filter(({ state }) => state === 'failed').length;
        if (plan.state === 'succeeded') {
          expect(failed).toBeLessThan(abortAfter);
          expect(plan.members.length === 0 || plan.members.some(({ state }) => state === 'active')).toBe(true);
        }
        // Ended roll-outs stay as they are.
        if (plan.state !== 'running') expect(advance(plan, world.around)).toEqual({ plan, offers: [] });
      },
    ),
    { numRuns: 300 },
  );
});

test('after an abort every device that was offered the release is told to go back, and does', () => {
  fc.assert(
    fc.property(fleet, waves, fc.infiniteStream(fc.nat(1000)), (devices, percents, picks) => {
      const world = new World(['fails', ...devices], percents, 1);
      for (let i = 0; i < 600 && world.plan.state === 'running'; i++) world.turn(picks.next().value as number);
      if (world.plan.state !== 'aborted') return;
      for (let i = 0; i < 200; i++) world.turn(i);
      for (const { device } of world.plan.members) {
        const told = world.offers.filter((offer) => offer.device === device).map((offer) => offer.release);
        if (told.includes(release)) expect(told.at(-1)).toBe(before);
        expect(world.activeOn(device)).toBe(before);
      }
      expect(world.plan.reason).toMatch(/failed/);
    }),
    { numRuns: 200 },
  );
});

test('observing the same report again changes nothing', () => {
  const world = new World(['good', 'good'], [100], 1);
  world.apply(advance(world.plan, world.around));
  const seen = { release, stage: 'probation', reason: null, active: release } as const;
  const once = observe(world.plan, 'dev_0', seen, 5);
  expect(observe(once, 'dev_0', seen, 6)).toBe(once);
  expect(observe(once, 'dev_0', { ...seen, release: before, active: before }, 6)).toBe(once);
});

test('a device that runs the release already is not waited for', () => {
  const plan = newPlan(
    [{ device: 'dev_0', name: 'a', release }],
    { version: 1, waves: [100], abortAfter: 1, stallAfterMs: 1000 },
    0,
  );
  const around = { now: 1, isOnline: () => true, activeOn: () => release, offlineAfterMs: 100 };
  expect(advance(plan, around).plan.state).toBe('succeeded');
});

test('cancelling sends unfinished devices back and lets finished ones be; aborting sends all back', () => {
  const world = new World(['good', 'stalls'], [100], 1);
  for (let i = 0; i < 12; i++) world.turn(i);
  const active = world.plan.members.find(({ state }) => state === 'active')!.device;
  const cancelled = cancel(world.plan, 'cancelled', 9);
  expect(cancelled.offers.map(({ device }) => device)).not.toContain(active);
  expect(cancelled.offers).toEqual([{ device: active === 'dev_0' ? 'dev_1' : 'dev_0', release: before }]);
  expect(abort(world.plan, 'x', 9).offers.length).toBe(2);
});
