// Status lines on a stream. A reader who falls behind loses the frequent lines first and never stops the agent.
import type { Writable } from 'node:stream';
import type { Narrator, StatusLine } from './lines.ts';

/** Beyond this many bytes waiting in the stream, lines that come with every reading are left out. */
const frequentLimit = 1 << 20;
/** Beyond this many, all are. */
const hardLimit = 8 << 20;

const frequent: ReadonlySet<StatusLine['type']> = new Set(['reading', 'forecast']);

/** A narrator that prints JSON lines. When the reader goes away, it falls silent. */
export function jsonPrinter(stream: Writable): Narrator {
  let gone = false;
  stream.on('error', () => {
    gone = true;
  });
  return (line) => {
    const limit = frequent.has(line.type) ? frequentLimit : hardLimit;
    if (!gone && stream.writableLength < limit) stream.write(`${JSON.stringify(line)}\n`);
  };
}

/** A narrator for people and journals: what changes and what is wrong, one sentence each. */
export function textPrinter(stream: Writable): Narrator {
  let gone = false;
  stream.on('error', () => {
    gone = true;
  });
  return (line) => {
    const text = sentence(line);
    if (text !== undefined && !gone && stream.writableLength < frequentLimit) stream.write(`${text}\n`);
  };
}

const short = (digest: string | null): string => digest?.slice(0, 12) ?? 'none';

function sentence(line: StatusLine): string | undefined {
  switch (line.type) {
    case 'started':
      return `started: device ${line.device ?? 'not enrolled yet'}, release ${short(line.release)}, ${line.waiting} entries to deliver`;
    case 'enrolled':
      return `enrolled as ${line.name} (${line.device}) in project ${line.project}`;
    case 'drift':
      return `drift ${line.state === 'alarm' ? 'alarm' : 'is over'}: score ${line.score.toFixed(2)}, release ${short(line.release)}`;
    case 'update':
      return line.stage === 'downloading' && line.progress > 0 && line.progress < 1
        ? undefined
        : `update ${line.stage}: release ${short(line.release)}${line.reason === null ? '' : ` (${line.reason})`}`;
    case 'source':
      return `source ended after ${line.readings} readings, ${line.rejected} lines rejected`;
    case 'error':
      return `${line.about}: ${line.code}: ${line.message}${line.fix === undefined ? '' : `; ${line.fix}`}`;
    case 'stopped':
      return `stopped, ${line.waiting} entries left to deliver`;
    case 'reading':
    case 'forecast':
    case 'report':
    case 'stored':
    case 'delivered':
      return undefined;
  }
}
