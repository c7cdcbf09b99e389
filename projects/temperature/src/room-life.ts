// What people do in the simulated room: the heating schedule with its thermostat, when somebody is there, when a window is opened.
import type { Random } from '@sanderling/kit';

/** When the room is to be warm. Hours are UTC, `from` may lie after `to` (over midnight). */
export interface HeatingSchedule {
  /** Comfort temperature, °C. */
  readonly comfort: number;
  /** Setback temperature outside of the comfort hours, °C. */
  readonly setback: number;
  /** Comfort hours on Monday to Friday. */
  readonly weekday: readonly [from: number, to: number];
  /** Comfort hours on Saturday and Sunday. */
  readonly weekend: readonly [from: number, to: number];
}

/** Warm from six to ten, cooler at night: the usual night setback. */
export const nightSetback: HeatingSchedule = { comfort: 21, setback: 16.5, weekday: [6, 22], weekend: [8, 23] };

/** The thermostat switches this far above and below what is wanted, K. */
const hysteresis = 0.15;
const hourMs = 3_600_000;

/** What the schedule wants at a time, °C. */
export function wantedTemperature(schedule: HeatingSchedule, time: number): number {
  const hour = (time / hourMs) % 24;
  const [from, to] = isWeekend(time) ? schedule.weekend : schedule.weekday;
  const comfortable = from <= to ? hour >= from && hour < to : hour >= from || hour < to;
  return comfortable ? schedule.comfort : schedule.setback;
}

/** A thermostat's next state: switches only outside of its hysteresis band. */
export function thermostat(on: boolean, air: number, wanted: number): boolean {
  if (air < wanted - hysteresis) return true;
  return air > wanted + hysteresis ? false : on;
}

/** Whether a time falls on a Saturday or Sunday. 1970-01-01 was a Thursday. */
export function isWeekend(time: number): boolean {
  const day = Math.floor(time / (24 * hourMs) + 3) % 7;
  return day >= 5;
}

/** The coming and going of people and windows, decided anew every day and by chance. */
export class RoomLife {
  readonly #random: Random;
  #day = Number.NaN;
  #people: readonly (readonly [from: number, to: number, count: number])[] = [];
  #airings: readonly (readonly [from: number, to: number])[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** How many people are in the room, and how far its window is open, 0…1. */
  at(time: number): { readonly people: number; readonly windowOpen: number } {
    const day = Math.floor(time / (24 * hourMs));
    if (day !== this.#day) this.#plan(day, isWeekend(time));
    const hour = (time / hourMs) % 24;
    const inside = ([from, to]: readonly [number, number, ...unknown[]]): boolean => hour >= from && hour < to;
    const people = this.#people.filter(inside).reduce((sum, [, , count]) => sum + count, 0);
    return { people, windowOpen: this.#airings.some(inside) ? 1 : 0 };
  }

  /** Weekdays: somebody works from nine to five with a break, two in the evening. Weekends: all day, more loosely. A short airing now and then. */
  #plan(day: number, weekend: boolean): void {
    this.#day = day;
    const about = (hour: number, spread: number): number => hour + spread * this.#random.normal();
    this.#people = weekend
      ? [
          [about(9, 0.7), about(13, 1), 1],
          [about(15, 1), about(22.5, 0.7), 2],
        ]
      : [
          [about(9, 0.3), about(12.2, 0.2), 1],
          [about(13, 0.2), about(17, 0.4), 1],
          [about(19, 0.5), about(22, 0.5), 2],
        ];
    const morning = about(weekend ? 9 : 7.2, 0.25);
    const airings: [number, number][] = [[morning, morning + this.#random.uniform(0.1, 0.3)]];
    if (this.#random.next() < 0.35) {
      const from = this.#random.uniform(10, 21);
      airings.push([from, from + this.#random.uniform(0.1, 0.4)]);
    }
    this.#airings = airings;
  }
}
