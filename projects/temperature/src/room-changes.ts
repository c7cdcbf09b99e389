// Changes of regime that one may ask the simulated room for: each makes a forecaster that was trained before it wrong, and each can be learnt.
import { nightSetback, type HeatingSchedule } from './room-life.ts';
import { ordinaryRoom, type RoomParameters } from './room-model.ts';

/** Where the sensor hangs: shares of what it feels (they add up to 1), and how much a strong sun (1000 W/m²) warms it, K. */
export interface SensorPlace {
  readonly air: number;
  readonly outside: number;
  readonly radiator: number;
  readonly sun: number;
}

/** Everything about the room that a change may change. */
export interface RoomRegime {
  readonly room: RoomParameters;
  readonly schedule: HeatingSchedule;
  readonly sensor: SensorPlace;
  /** How far the window always stands open, 0…1. */
  readonly windowLeftOpen: number;
}

/** The room before any change. */
export const ordinaryRegime: RoomRegime = {
  room: ordinaryRoom,
  schedule: nightSetback,
  sensor: { air: 1, outside: 0, radiator: 0, sun: 0 },
  windowLeftOpen: 0,
};

/**
 * What each change does to the regime. Those of the heating matter in the heating season (October to April) only; figures for a winter are in
 * `bench/results/series-regime.md`.
 */
export const roomChanges = {
  /** The heating no longer saves at night: comfort around the clock. */
  'night-setback-off': (regime) => ({
    ...regime,
    schedule: { ...regime.schedule, setback: regime.schedule.comfort + 2, comfort: regime.schedule.comfort + 2 },
  }),
  /** The room is now used from the afternoon into the night, and kept a little warmer. */
  'heating-schedule': (regime) => ({
    ...regime,
    schedule: {
      comfort: regime.schedule.comfort + 1,
      setback: regime.schedule.setback,
      weekday: [15, 3],
      weekend: [15, 3],
    },
  }),
  /** Insulation removed for a renovation: eight times the loss through the walls, five times the draught. The heating no longer keeps up. */
  insulation: ({ room, ...regime }) => ({
    ...regime,
    room: {
      ...room,
      envelopeToOutside: 8 * room.envelopeToOutside,
      ventilation: 5 * room.ventilation,
      glass: 2 * room.glass,
    },
  }),
  /** The sensor now hangs at the window: it feels the cold outside and the sun. */
  'sensor-moved': (regime) => ({ ...regime, sensor: { air: 0.75, outside: 0.25, radiator: 0, sun: 4 } }),
  /** A window is left open for good: the heating no longer keeps up. */
  'window-left-open': (regime) => ({ ...regime, windowLeftOpen: 1 }),
  /** The heating has failed. */
  'heating-off': ({ room, ...regime }) => ({ ...regime, room: { ...room, heatingPower: 0 } }),
} as const satisfies Record<string, (regime: RoomRegime) => RoomRegime>;

/** The name of a change. */
export type RoomChange = keyof typeof roomChanges;

/** Every change that exists. */
export const roomChangeNames = Object.keys(roomChanges) as readonly RoomChange[];
