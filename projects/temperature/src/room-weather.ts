// The weather outside of the simulated room: yearly and daily cycle, slow and fast wandering, fronts, clouds and sun. A simulation, not a record.
import { createRandom, type Random } from '@sanderling/kit';

/** A place's climate. The defaults are those of a Central European city (mean 10 °C, January 1 °C, July 19 °C; DWD normals 1991–2020, rounded). */
export interface Climate {
  /** Degrees north. */
  readonly latitude: number;
  /** Mean of the year, °C. */
  readonly mean: number;
  /** Half the difference between the warmest and the coldest time of year, K. */
  readonly yearlyAmplitude: number;
  /** Half the difference between day and night under a clear sky, K. */
  readonly dailyAmplitude: number;
  /** Standard deviation of the day-to-day weather, K, and how long it lasts, hours. */
  readonly weatherStd: number;
  readonly weatherHours: number;
  /** Mean time between fronts, hours, and the standard deviation of what they change, K. */
  readonly frontHours: number;
  readonly frontStd: number;
}

/** The weather at one time. */
export interface Weather {
  /** °C. */
  readonly outside: number;
  /** Share of the sky covered, 0…1. */
  readonly clouds: number;
  /** Sun on a vertical window that looks south, W/m². */
  readonly sunOnWindow: number;
}

/** The defaults of {@link Climate}. */
export const centralEurope: Climate = {
  latitude: 50,
  mean: 10,
  yearlyAmplitude: 9,
  dailyAmplitude: 4.5,
  weatherStd: 2.5,
  weatherHours: 60,
  frontHours: 110,
  frontStd: 3.5,
};

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const yearMs = 365.2425 * dayMs;
/** 20 January, the coldest time of year on average. */
const coldestMs = 19 * dayMs;
/** The warmest time of day, 15 h; times are UTC throughout. */
const warmestHour = 15;
const frontRampHours = 4;
const frontLifeHours = 60;

/** Makes the weather minute by minute; the same seed and start give the same weather. */
export class WeatherSimulation {
  readonly #climate: Climate;
  readonly #random: Random;
  #slow: number;
  #fast = 0;
  #cover: number;
  #front = 0;
  #frontGoal = 0;

  constructor(seed: number | string, climate: Climate) {
    this.#climate = climate;
    this.#random = createRandom(seed, 'weather');
    this.#slow = climate.weatherStd * this.#random.normal();
    this.#cover = this.#random.normal();
  }

  /** Moves on by `hours` (a small fraction of an hour) and tells the weather at `time`, milliseconds. */
  advance(time: number, hours: number): Weather {
    const { weatherStd, weatherHours } = this.#climate;
    this.#slow = this.#wander(this.#slow, weatherStd, hours / weatherHours);
    this.#fast = this.#wander(this.#fast, 0.4, hours / 2);
    this.#cover = this.#wander(this.#cover, 1, hours / 8);
    this.#advanceFront(hours);
    const clouds = 1 / (1 + Math.exp(-2 * this.#cover));
    return {
      outside: this.#seasonal(time, clouds) + this.#slow + this.#fast + this.#front,
      clouds,
      sunOnWindow: sunOnSouthWindow(time, this.#climate.latitude, clouds),
    };
  }

  /** One step of a stationary AR(1) process: mean 0, the given standard deviation, correlation exp(−share). */
  #wander(x: number, std: number, share: number): number {
    const keep = Math.exp(-share);
    return keep * x + std * Math.sqrt(1 - keep * keep) * this.#random.normal();
  }

  /** Fronts come as a Poisson process, change the temperature within some hours and wear off over days. */
  #advanceFront(hours: number): void {
    const { frontHours, frontStd } = this.#climate;
    const comes = this.#random.next() < hours / frontHours;
    const size = this.#random.normal();
    if (comes) this.#frontGoal += frontStd * size;
    this.#frontGoal *= Math.exp(-hours / frontLifeHours);
    this.#front += (this.#frontGoal - this.#front) * (1 - Math.exp(-hours / frontRampHours));
  }

  #seasonal(time: number, clouds: number): number {
    const { mean, yearlyAmplitude, dailyAmplitude } = this.#climate;
    const year = -Math.cos((2 * Math.PI * (time - coldestMs)) / yearMs);
    const day = Math.cos((2 * Math.PI * (time / hourMs - warmestHour)) / 24);
    return mean + yearlyAmplitude * year + dailyAmplitude * (1 - 0.6 * clouds) * day;
  }
}

/**
 * Sun on a vertical south window, W/m²: declination by Cooper (1969), clear sky by Haurwitz (1945), clouds by Kasten & Czeplak (1980),
 * a third of it diffuse under a clear sky and all of it under a closed one.
 */
export function sunOnSouthWindow(time: number, latitude: number, clouds: number): number {
  const phi = (latitude * Math.PI) / 180;
  const day = (time % yearMs) / dayMs + 1;
  const declination = ((23.45 * Math.PI) / 180) * Math.sin((2 * Math.PI * (284 + day)) / 365);
  const hourAngle = (2 * Math.PI * ((time % dayMs) / hourMs - 12)) / 24;
  const height = Math.sin(phi) * Math.sin(declination) + Math.cos(phi) * Math.cos(declination) * Math.cos(hourAngle);
  if (height <= 0.01) return 0;
  const horizontal = 1098 * height * Math.exp(-0.057 / height) * (1 - 0.75 * clouds ** 3.4);
  const diffuseShare = 1 / 3 + (2 / 3) * clouds;
  const incidence = Math.sin(phi) * Math.cos(declination) * Math.cos(hourAngle) - Math.cos(phi) * Math.sin(declination);
  const beam = (horizontal * (1 - diffuseShare) * Math.max(0, incidence)) / Math.max(0.1, height);
  return Math.min(1000, beam) + 0.5 * horizontal * diffuseShare;
}
