// A simulated room with a simulated DS18B20 in it: seeded readings at any step from any time, with a change of regime on request.
// It is a simulation and is called one wherever its readings are shown.
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import type { Reading } from '@sanderling/series';
import { ordinaryRegime, roomChanges, roomChangeNames, type RoomChange, type RoomRegime } from './room-changes.ts';
import { RoomLife, thermostat, wantedTemperature } from './room-life.ts';
import { stepRoom, type RoomState } from './room-model.ts';
import { centralEurope, WeatherSimulation, type Climate, type Weather } from './room-weather.ts';

/** How to simulate. */
export interface RoomOptions {
  /** Equal seeds give equal rooms, weather and readings. @default 1 */
  readonly seed?: number | string;
  /** Time of the first reading, milliseconds. */
  readonly start: number;
  /** Time from reading to reading, milliseconds. @default 600000 (ten minutes) */
  readonly stepMs?: number;
  /** Readings come up to this much early or late, milliseconds. @default 0 */
  readonly jitterMs?: number;
  readonly climate?: Partial<Climate>;
  readonly regime?: Partial<RoomRegime>;
}

/** What really happens in the room, for whoever wants to look behind the sensor. */
export interface RoomTruth extends RoomState {
  readonly time: number;
  readonly outside: number;
  readonly heating: boolean;
  readonly windowOpen: number;
  readonly people: number;
}

/** The simulation's own step. */
const innerMs = 60_000;
/** The room is lived in for this long before the first reading, so that its walls have settled. */
const settleMs = 10 * 86_400_000;
/** DS18B20 data sheet: 12 bits, 0.0625 °C; noise and housing as in an ordinary wall box. */
const sensorResolution = 0.0625;
const sensorNoise = 0.02;
const sensorLagSeconds = 150;

/** An endless iterator of readings; not for sharing between two loops. */
export class RoomSimulation implements IterableIterator<Reading, undefined> {
  readonly #stepMs: number;
  readonly #jitterMs: number;
  readonly #start: number;
  readonly #weather: WeatherSimulation;
  readonly #life: RoomLife;
  readonly #noise: Random;
  #regime: RoomRegime;
  #changes: readonly { readonly change: RoomChange; readonly at: number }[] = [];
  #count = 0;
  #inner: number;
  #truth: RoomTruth;
  #felt: number;
  #feltBefore: number;

  /** @throws INVALID_ARGUMENT for a start, step or jitter that is not a sensible time. */
  constructor(options: RoomOptions) {
    const { seed = 1, start, stepMs = 600_000, jitterMs = 0 } = options;
    if (!Number.isFinite(start) || !(stepMs > 0) || !(jitterMs >= 0) || !(2 * jitterMs < stepMs)) {
      throw new SanderlingError(
        'INVALID_ARGUMENT',
        `cannot simulate from ${start} in steps of ${stepMs} ± ${jitterMs} ms`,
        {
          fix: 'give a start in milliseconds, a positive step, and a jitter below half of it',
        },
      );
    }
    this.#stepMs = stepMs;
    this.#jitterMs = jitterMs;
    this.#start = start;
    this.#weather = new WeatherSimulation(seed, { ...centralEurope, ...options.climate });
    this.#life = new RoomLife(createRandom(seed, 'life'));
    this.#noise = createRandom(seed, 'sensor');
    this.#regime = { ...ordinaryRegime, ...options.regime };
    this.#inner = Math.floor((start - jitterMs - settleMs) / innerMs) * innerMs;
    const state = { air: 20, envelope: 17, radiator: 25 };
    this.#truth = { ...state, time: this.#inner, outside: 10, heating: false, windowOpen: 0, people: 0 };
    this.#felt = this.#feltBefore = state.air;
    this.#advanceTo(start - jitterMs);
  }

  /** What really happens in the room at the simulation's present time. */
  get truth(): RoomTruth {
    return this.#truth;
  }

  /** Time of the next reading, jitter aside, milliseconds. */
  get nextTime(): number {
    return this.#start + this.#count * this.#stepMs;
  }

  /**
   * Asks for a change of regime at a time, or at once. Changes add up; a time already simulated means at once.
   * @throws INVALID_ARGUMENT for a change that does not exist.
   */
  change(change: RoomChange, at: number = Number.NEGATIVE_INFINITY): void {
    if (!Object.hasOwn(roomChanges, change)) {
      throw new SanderlingError('INVALID_ARGUMENT', `the simulated room knows no change '${String(change)}'`, {
        fix: `choose among ${roomChangeNames.join(', ')}`,
      });
    }
    this.#changes = [...this.#changes, { change, at }].sort((a, b) => a.at - b.at);
  }

  /** The next reading; there always is one. */
  next(): IteratorYieldResult<Reading> {
    return { done: false, value: this.read() };
  }

  [Symbol.iterator](): this {
    return this;
  }

  /** The next reading. */
  read(): Reading {
    const jitter = this.#jitterMs === 0 ? 0 : Math.round(this.#noise.uniform(-this.#jitterMs, this.#jitterMs));
    const time = this.nextTime + jitter;
    this.#count++;
    this.#advanceTo(time);
    const share = (time - (this.#inner - innerMs)) / innerMs;
    const felt = this.#feltBefore + (this.#felt - this.#feltBefore) * share;
    const noisy = felt + sensorNoise * this.#noise.normal();
    return { time, value: Math.round(noisy / sensorResolution) * sensorResolution };
  }

  /** The next `count` readings. */
  take(count: number): Reading[] {
    return Array.from({ length: count }, () => this.read());
  }

  #advanceTo(time: number): void {
    while (this.#inner < time) this.#advance();
  }

  #advance(): void {
    this.#applyChanges();
    const time = this.#inner;
    const seconds = innerMs / 1000;
    const weather = this.#weather.advance(time, seconds / 3600);
    const { people, windowOpen: opened } = this.#life.at(time);
    const windowOpen = Math.max(opened, this.#regime.windowLeftOpen);
    const { air, envelope, radiator } = this.#truth;
    const heating = thermostat(this.#truth.heating, air, wantedTemperature(this.#regime.schedule, time));
    const inputs = { ...weather, people, heating, windowOpen };
    const state = stepRoom(this.#regime.room, { air, envelope, radiator }, { inputs, seconds });
    this.#inner = time + innerMs;
    this.#truth = { ...state, time: this.#inner, outside: weather.outside, heating, windowOpen, people };
    this.#feltBefore = this.#felt;
    this.#felt += (this.#aroundSensor(weather) - this.#felt) * (1 - Math.exp(-seconds / sensorLagSeconds));
  }

  #aroundSensor(weather: Weather): number {
    const { air, outside, radiator, sun } = this.#regime.sensor;
    const mixed = air * this.#truth.air + outside * weather.outside + radiator * this.#truth.radiator;
    return mixed + (sun * weather.sunOnWindow) / 1000;
  }

  #applyChanges(): void {
    while (this.#changes.length > 0 && this.#changes[0]!.at <= this.#inner) {
      const [{ change }, ...rest] = this.#changes as [{ change: RoomChange; at: number }];
      this.#changes = rest;
      this.#regime = roomChanges[change](this.#regime);
    }
  }
}

/** Starts a simulated room; see {@link RoomSimulation}. */
export function simulateRoom(options: RoomOptions): RoomSimulation {
  return new RoomSimulation(options);
}
