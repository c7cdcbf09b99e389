// The program on a device. Start it in a process of its own with `sanderling-agent`, or embed it.
export { startAgent, type AgentOptions, type RunningAgent } from './agent.ts';
export { agentCommand } from './agent-command.ts';
export { agentVersion } from './agent-version.ts';
export type { OutboxOptions } from './outbox/outbox.ts';
export { jsonLines } from './sources/json-lines.ts';
export { noSource, type Source, type SourceItem } from './sources/source.ts';
export { tableFile, type TableFileOptions } from './sources/table-file.ts';
export type {
  DeliveredLine,
  DriftLine,
  EnrolledLine,
  ErrorLine,
  ForecastLine,
  Narrator,
  ReadingLine,
  ReportLine,
  SourceLine,
  StartedLine,
  StatusLine,
  StatusPoint,
  StoppedLine,
  StoredLine,
  UpdateLine,
} from './status/lines.ts';
