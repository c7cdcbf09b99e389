// What a link session asks of the hub, and how patient it is.
import type { Clock } from '@sanderling/kit';
import type { LinkEntries } from './entries.ts';
import type { DeviceInfo } from './info.ts';

/** A device asks to be known; it has proved that it holds the token. */
export interface LinkEnrolment {
  /** The token's id: the middle part of `sdl_<id>_…`. */
  readonly token: string;
  /**
   * 32 hexadecimal digits that a device keeps from its first try on: the same one with a used token is the same device asking again because an
   * answer was lost, and gets the same identity.
   */
  readonly installation: string;
  readonly board: DeviceInfo['board'];
  /** Firmware version. */
  readonly firmware: string;
}

/** What an enrolled device keeps. */
export interface LinkIdentity {
  /** The device's id, ASCII, at most 64 characters. */
  readonly device: string;
  /** Its key: 32 random bytes, also kept by the hub. */
  readonly key: Uint8Array;
}

/** The hub, as far as a link needs it. What these throw ends nothing: the device tries again later. */
export interface LinkDesk {
  /** The key of a device; undefined when it is not (or no longer) known. */
  deviceKey(device: string): Promise<Uint8Array | undefined>;
  /** SHA-256 of a token's secret (32 bytes): what the hub keeps of it. Undefined for a token that was never made or has expired. */
  tokenKey(token: string): Promise<Uint8Array | undefined>;
  /** Uses a token. @throws TOKEN_USED by another installation. */
  enrol(enrolment: LinkEnrolment): Promise<LinkIdentity>;
  /** Highest entry number of an outbox that is stored for good; 0 when none is. */
  stored(device: string, outbox: string): Promise<number>;
  /**
   * Stores entries, each once; resolves only when they are safe. Numbers at or below the stored one have been stored before and are to be ignored.
   * When it rejects, the device sends the same entries again, and nothing behind them: what the hub will never take it has to drop (and count) itself.
   * @returns the highest entry number stored for good.
   */
  take(device: string, entries: LinkEntries): Promise<number>;
  /** A device has been authenticated (again: it restarted, or the stream is new). */
  onHello?(device: string, info: DeviceInfo): void;
  /** Something went wrong that the session lives on with: a refused hello, entries that could not be stored. */
  onProblem?(error: Error): void;
}

/** How patient a session is. */
export interface LinkOptions {
  /** Wait for an answer before the request is sent again, milliseconds. @default 1000 */
  readonly answerMs?: number;
  /** Wait for the answer to a request that tests, verifies or erases, milliseconds. @default 10000 */
  readonly longAnswerMs?: number;
  /** How often a request is sent in all. @default 8 */
  readonly attempts?: number;
  /** Longest silence inside a frame, milliseconds. @default 500 */
  readonly interByteMs?: number;
  /** Until a device says hello, it is asked to every so many milliseconds. @default 1000 */
  readonly knockMs?: number;
  /** How long requests wait for a device that is not there, milliseconds. @default 30000 */
  readonly helloMs?: number;
  readonly clock?: Clock;
}
