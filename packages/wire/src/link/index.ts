// The link to microcontrollers; the protocol stands at the top of protocol.ts.
export type { LinkDesk, LinkEnrolment, LinkIdentity, LinkOptions } from './desk.ts';
export {
  toOutboxEntry,
  type EntryContext,
  type LinkEntries,
  type LinkEntry,
  type LinkEvent,
  type LinkReading,
  type LinkReport,
} from './entries.ts';
export { encodeFrame, FrameReader, type Frame } from './frames.ts';
export type { DeviceInfo, SlotInfo } from './info.ts';
export { frameTypes } from './protocol.ts';
export { LinkSession, type ActivateOptions, type LinkedDevice } from './session.ts';
export type { UpdateOptions } from './update.ts';
