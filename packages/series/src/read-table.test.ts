import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { SanderlingError } from '@sanderling/kit';
import { describe, expect, it } from 'vitest';
import { readReadings, readTable, type Reading, type TableOptions, type TableReport } from './index.ts';
import { parseNumberBytes, parseTimeBytes } from './table-bytes.ts';
import { parseNumberField } from './table-numbers.ts';
import { parseTime } from './table-times.ts';

const now = Date.UTC(2026, 10, 21);
const limits = { latest: now };
const bytes = (text: string): Uint8Array => Buffer.from(text);
const read = (
  text: string | Uint8Array,
  options: TableOptions = {},
): Promise<{ readings: Reading[]; report: TableReport }> =>
  readReadings(typeof text === 'string' ? bytes(text) : text, { name: 'room.csv', limits, ...options });

async function problemOf(text: string | Uint8Array, options?: TableOptions): Promise<string> {
  try {
    await read(text, options);
    return 'none';
  } catch (error) {
    if (!(error instanceof SanderlingError)) throw error;
    return `${error.code} ${String(error.details?.['problem'])} ${error.where}`;
  }
}

const at = (text: string): number => Date.parse(`${text}Z`);
const two = [
  { time: at('2021-02-02T14:51:00'), value: 11.5 },
  { time: at('2021-02-02T15:01:00'), value: 12 },
];

describe('readTable finds its way through', () => {
  const same: Record<string, string | Uint8Array> = {
    'a plain CSV': 'time,value\n2021-02-02 14:51:00,11.5\n2021-02-02 15:01:00,12\n',
    'no newline at the end, CRLF': 'time,value\r\n2021-02-02T14:51:00Z,11.5\r\n2021-02-02T15:01:00Z,12',
    'lone CR': 'time,value\r2021-02-02T14:51,11.5\r2021-02-02T15:01,12\r',
    'a byte order mark and quotes': '\uFEFF"time","value"\n"2021-02-02 14:51:00","11.5"\n"2021-02-02 15:01:00","12"\n',
    'UTF-16': Buffer.from('\uFEFFtime\tvalue\n2021-02-02 14:51:00\t11.5\n2021-02-02 15:01:00\t12\n', 'utf16le'),
    'UTF-16 without a mark': Buffer.from(
      'time\tvalue\n2021-02-02 14:51:00\t11.5\n2021-02-02 15:01:00\t12\n',
      'utf16le',
    ),
    'UTF-16, big-endian': Buffer.from(
      '\uFEFFtime;value\n2021-02-02 14:51:00;11,5\n2021-02-02 15:01:00;12\n',
      'utf16le',
    ).swap16(),
    'decimal commas': 'Datum;Temperatur\n02.02.2021 14:51;11,5\n02.02.2021 15:01;12,0\n',
    'Windows-1252': Buffer.from('Zeit;Wert in \xb0C\n02.02.2021 14:51:00;11,5\n02.02.2021 15:01:00;12\n', 'latin1'),
    'no header': '2021-02-02 14:51:00,11.5\n2021-02-02 15:01:00,12\n',
    'a header with one name fewer (R)':
      '"date","Temperature","Light"\n"1","2021-02-02 14:51:00",11.5,426\n"2","2021-02-02 15:01:00",12,429\n',
    'a header with names to spare': 'time,value,,\n2021-02-02 14:51:00,11.5\n2021-02-02 15:01:00,12\n',
    'epoch seconds': 'id,ts,temp\n1,1612277460,11.5\n2,1612278060,12\n',
    'epoch milliseconds': 'ts,temp\n1612277460000,11.5\n1612278060000,12\n',
    'offsets from UTC': 'time,value\n2021-02-02T15:51:00+01:00,11.5\n2021-02-02T09:01:00-0600,12\n',
    'American dates': 'time,value\n02/02/2021 02:51 PM,11.5\n02/02/2021 03:01 PM,12\n',
    'date and time of day apart': 'Date;Time;T\n2021-02-02;14:51;11.5\n2021-02-02;15:01;12\n',
    'blanks as delimiter': '# 1:Date 2:Time 3:Temperature_Room\n02/02/2021 14:51 11.5\n02/02/2021 15:01 12\n',
    'lines before the header': 'Logger 7, serial 123\n\ntime,value\n2021-02-02 14:51:00,11.5\n2021-02-02 15:01:00,12\n',
    'units behind numbers': 'time,value\n2021-02-02 14:51:00,11.5 °C\n2021-02-02 15:01:00,12 °C\n',
    'a quoted note over two lines':
      'note,time,value\n"a, ""b""\nc",2021-02-02 14:51:00,11.5\nd,2021-02-02 15:01:00,12\n',
    pipes: 'time|value\n2021-02-02 14:51:00|11.5\n2021-02-02 15:01:00|12\n',
    'the store of S1':
      'time_point,user,value,tag,id\n2021-02-02T14:51:00.000563,home,11.5,indoor,20\n2021-02-02T15:01:00.000999,home,12.0,indoor,21\n',
  };
  for (const [what, text] of Object.entries(same)) {
    it(what, async () => {
      expect((await read(text)).readings).toEqual(two);
    });
  }

  it('the right column when several are numbers', async () => {
    const header = 'no,date,Humidity,Temperature,Light\n';
    const { readings, report } = await read(
      `${header}1,2021-02-02 14:51:00,27.2,11.5,400\n2,2021-02-02 15:01:00,27.3,12,400\n`,
    );
    expect(readings).toEqual(two);
    expect(report).toMatchObject({
      timeColumn: 'date',
      valueColumn: 'Temperature',
      delimiter: ',',
      timeFormat: 'year-first',
    });
    const humid = await read(`${header}1,2021-02-02 14:51:00,27.2,11.5,400\n2,2021-02-02 15:01:00,27.3,12,400\n`, {
      valueColumn: 'humidity',
    });
    expect(humid.readings.map(({ value }) => value)).toEqual([27.2, 27.3]);
    const third = await read(`${header}1,2021-02-02 14:51:00,27.2,11.5,400\n2,2021-02-02 15:01:00,27.3,12,400\n`, {
      valueColumn: '5',
    });
    expect(third.report.valueColumn).toBe('Light');
  });

  it('the temperature among a house full of sensors', async () => {
    const of = async (header: string): Promise<string> => {
      const row = (minute: number): string =>
        `2021-02-02 14:${minute},${header
          .split(',')
          .slice(1)
          .map((_, i) => 20 + i + minute / 60)
          .join(',')}`;
      return (await read(`${header}\n${[10, 11, 12].map(row).join('\n')}\n`)).report.valueColumn;
    };
    expect(await of('date,Appliances,lights,T1,RH_1')).toBe('T1');
    expect(await of('time,p (mbar),T (degC),rho')).toBe('T (degC)');
    expect(await of('date,humidity,meantemp')).toBe('meantemp');
    expect(await of('date,id,co2,noise')).toBe('co2');
  });

  it('day and month by what keeps the times together', async () => {
    const rows = (order: (day: number) => string): string =>
      `time,value\n${[1, 2, 3, 4].map((day) => `${order(day)},20`).join('\n')}\n`;
    const dayFirst = await read(rows((day) => `0${day}-12-2018 09:30`));
    expect(dayFirst.readings[0]?.time).toBe(at('2018-12-01T09:30'));
    const monthFirst = await read(rows((day) => `12-0${day}-2018 09:30`));
    expect(monthFirst.readings[3]?.time).toBe(at('2018-12-04T09:30'));
  });

  it('the unit in the column name', async () => {
    const of = async (name: string): Promise<string> =>
      (await read(`time,${name}\n2021-02-02 14:51,1\n2021-02-02 15:01,2\n`)).report.unit;
    expect([await of('Temp (°C)'), await of('temp_F'), await of('T [K]'), await of('value')]).toEqual([
      '°C',
      '°F',
      'K',
      '',
    ]);
  });
});

describe('readTable refuses, with code, problem and place,', () => {
  const rows = Array.from({ length: 50 }, (_, i) => `2021-02-02 14:${String(i).padStart(2, '0')}:00,${20 + i / 10}`);
  const refused: Record<string, [text: string | Uint8Array, expected: string, options?: TableOptions]> = {
    'an empty file': ['', 'TOO_LITTLE_DATA empty room.csv'],
    'blank lines': ['\n\n  \n', 'TOO_LITTLE_DATA empty room.csv'],
    'one line': ['time,value\n', 'TOO_LITTLE_DATA one-line room.csv:1'],
    'one reading': ['2021-02-02 14:51:00,1\n', 'TOO_LITTLE_DATA one-line room.csv:1'],
    'one reading under a header': ['time,value\n2021-02-02 14:51:00,1\n', 'TOO_LITTLE_DATA one-line room.csv:2'],
    'a spreadsheet': [Buffer.from('504b0304140000000800', 'hex'), 'INVALID_DATA binary room.csv'],
    'random bytes': [
      Uint8Array.from({ length: 5000 }, (_, i) => (i * i * 7 + (i >> 3)) & 255),
      'INVALID_DATA binary room.csv',
    ],
    prose: ['hello\nworld\nagain\n', 'INVALID_DATA one-column room.csv:1'],
    'a wrong delimiter': [`time,value\n${rows.join('\n')}`, 'INVALID_DATA one-column room.csv:1', { delimiter: ';' }],
    'two columns of one name': [
      'time,value,value\n2021-02-02 14:51,1,2\n2021-02-02 14:52,1,2\n',
      'INVALID_DATA duplicate-header room.csv:1',
    ],
    'two columns of the name asked for': [
      'time,a,a\n2021-02-02 14:51,1,2\n2021-02-02 14:52,1,2\n',
      'INVALID_DATA duplicate-header room.csv:1',
      { valueColumn: 'a' },
    ],
    'a column of words': [
      'time,value\n2021-02-02 14:51,warm\n2021-02-02 14:52,cold\n',
      'INVALID_DATA non-numeric room.csv:2',
    ],
    'words where numbers were asked for': [
      'time,a,b\n2021-02-02 14:51,warm,1\n2021-02-02 14:52,cold,2\n',
      'INVALID_DATA non-numeric room.csv:2',
      { valueColumn: 'a' },
    ],
    'an unknown column': [
      'time,a\n2021-02-02 14:51,1\n2021-02-02 14:52,2\n',
      'INVALID_ARGUMENT no-such-column room.csv:1',
      { valueColumn: 'temp' },
    ],
    'no times': ['a,b\n1,2\n3,4\n', 'INVALID_DATA no-time-column room.csv:1'],
    'times that are none': [
      'a,b,time\nx,1,2021-02-02 14:51\ny,2,2021-02-02 14:52\n',
      'INVALID_DATA no-time-column room.csv:2',
      { timeColumn: 'a' },
    ],
    'only the future': [
      `time,value\n${rows.join('\n').replaceAll('2021', '2031')}`,
      'INVALID_DATA no-readings room.csv:2',
    ],
    'mostly rubbish': [
      `time,value\n${rows.join('\n')}\n${'x,y,z,\n'.repeat(20)}`,
      'INVALID_DATA too-many-bad-lines room.csv:52',
    ],
    'a line without end': [
      `time,value\n${rows.join('\n')}\n${'7'.repeat(3_000_000)}`,
      'INVALID_DATA line-too-long room.csv:52',
    ],
  };
  for (const [what, [text, expected, options]] of Object.entries(refused)) {
    it(what, async () => {
      expect(await problemOf(text, options)).toBe(expected);
    });
  }

  it('a file that is not there, or a folder', async () => {
    await expect(readReadings('/nowhere/room.csv')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(readReadings(tmpdir())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('readTable', () => {
  it('skips single bad lines, tells which and why, and keeps all others', async () => {
    const lines = Array.from(
      { length: 100 },
      (_, i) => `2021-02-02 ${String(10 + Math.floor(i / 60))}:${String(i % 60).padStart(2, '0')}:00,${i}`,
    );
    lines[3] = '2021-02-02 10:03:00,NaN';
    lines[4] = '2021-02-02 10:04:00,Infinity';
    lines[5] = '2021-02-30 10:05:00,5';
    lines[6] = '2021-02-02 10:06:00,six';
    lines[7] = '2021-02-02 10:07:00,7,7';
    lines[8] = '2099-02-02 10:08:00,8';
    lines[9] = '1970-01-01 00:00:09,9';
    lines[10] = 'time,value';
    lines[11] = '# a comment';
    lines[12] = '2021-02-02 10:12:00,"12';
    lines[13] = '';
    const { readings, report } = await read(`time,value\n${lines.join('\n')}\n`);
    expect(readings.map(({ value }) => value)).toEqual([0, 1, 2, ...Array.from({ length: 86 }, (_, i) => i + 14)]);
    const reasons = Object.fromEntries(report.skipped.map(({ reason, lines: at }) => [reason, at]));
    expect(reasons).toEqual({
      'missing-value': [5],
      'infinite-value': [6],
      'bad-time': [7],
      'bad-value': [8],
      'field-count': [9],
      'future-dated': [10],
      'too-old': [11],
      'repeated-header': [12],
      comment: [13],
      'unterminated-quote': [14],
    });
    expect(report).toMatchObject({
      readings: 89,
      lines: 101,
      firstTime: at('2021-02-02T10:00'),
      lastTime: at('2021-02-02T11:39'),
    });
  });

  it('gives back, in the order of the file, what any table of its formats was written from', async () => {
    const values = fc.array(fc.tuple(fc.integer({ min: 0, max: 4e6 }), fc.integer({ min: -4000, max: 9000 })), {
      minLength: 2,
      maxLength: 700,
    });
    const style = fc.record({
      delimiter: fc.constantFrom(',', ';', '\t', '|'),
      quoted: fc.boolean(),
      crlf: fc.boolean(),
      iso: fc.boolean(),
      extra: fc.boolean(),
      chunk: fc.integer({ min: 1, max: 5000 }),
    });
    await fc.assert(
      fc.asyncProperty(values, style, async (list, { delimiter, quoted, crlf, iso, extra, chunk }) => {
        const readings = list.map(([minutes, hundredths]) => ({
          time: at('2015-01-01T00:00') + minutes * 60_000,
          value: hundredths / 100,
        }));
        const field = (text: string): string => (quoted ? `"${text}"` : text);
        const row = (fields: readonly string[]): string =>
          [...fields, ...(extra ? ['a "quoted" note'.replaceAll('"', quoted ? '""' : '')] : [])]
            .map(field)
            .join(delimiter);
        const lines = readings.map(({ time, value }) => {
          const text = new Date(time).toISOString();
          return row([iso ? text : text.slice(0, 19).replace('T', ' '), `${value}`]);
        });
        const text = [row(['time', 'value']), ...lines, ''].join(crlf ? '\r\n' : '\n');
        async function* chunks(): AsyncGenerator<Uint8Array> {
          const all = bytes(text);
          for (let from = 0; from < all.length; from += chunk) yield all.subarray(from, from + chunk);
        }
        const got = await readReadings(chunks(), { limits: { latest: now } });
        expect(got.readings).toEqual(readings);
        expect(got.report.skipped).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('answers any bytes with readings or a coded error, never with anything else', async () => {
    const alphabet = fc.constantFrom(
      '2021-02-02 14:51',
      '2021-02-02T14:51:00Z',
      ',',
      ';',
      '\n',
      '\r',
      '"',
      '""',
      'x',
      '1',
      '-3.5',
      '1e999',
      '#',
      '\t',
      ' ',
      '\0',
      '€',
      'time',
      'value',
      '1612277460',
    );
    const good = fc.tuple(
      fc.constantFrom('2021-02-02 14:51', '2021-02-02T14:52:00Z', '2021-02-03'),
      fc.constantFrom('1', '-3.5', '"2"', '7'),
    );
    const bad = fc.tuple(
      fc.constantFrom('2021-02-02 14:51', '1612277460', 'time', '', '"'),
      fc.constantFrom('NaN', 'value', '"', '1e999', '7;8', '1,2', ''),
    );
    const line = fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: bad });
    const nearly = fc
      .array(line, { minLength: 2, maxLength: 60 })
      .map((lines) => bytes(lines.map((pair) => pair.join(',')).join('\n')));
    const soup = fc.array(alphabet, { maxLength: 200 }).map((parts) => bytes(parts.join('')));
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(nearly, soup, fc.uint8Array({ maxLength: 400 })), async (input) => {
        try {
          const { readings } = await read(input);
          for (const { time, value } of readings) {
            expect(Number.isFinite(value)).toBe(true);
            expect(Number.isInteger(time) && time <= now).toBe(true);
          }
          outcomes.add('readings');
        } catch (error) {
          expect(error).toBeInstanceOf(SanderlingError);
          expect((error as SanderlingError).code).toMatch(/^(INVALID_DATA|TOO_LITTLE_DATA)$/);
          outcomes.add('error');
        }
      }),
      { numRuns: 1500 },
    );
    expect(outcomes).toEqual(new Set(['readings', 'error']));
  });

  it('reads plain lines the same in the fast lane as in the slow one', () => {
    const time = fc.oneof(
      fc.date({ min: new Date('1970-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }).chain((date) => {
        const iso = date.toISOString();
        return fc.constantFrom(
          iso,
          iso.slice(0, 19).replace('T', ' '),
          iso.slice(0, 16),
          iso.replaceAll('-', '/'),
          `${iso.slice(0, 23)}456Z`,
          `${iso.slice(0, 19)}+01:00`,
        );
      }),
      fc.stringMatching(/^20\d\d-[01]\d-[0-3]\d[ T][0-2]\d:[0-6]\d(:[0-6]\d(\.\d{1,9})?)?Z?$/),
    );
    const value = fc.oneof(fc.double({ noNaN: true }).map(String), fc.stringMatching(/^[+-]?\d{0,12}\.?\d{0,6}$/));
    fc.assert(
      fc.property(time, value, (timeText, valueText) => {
        const [fast, slow] = [parseTimeBytes(bytes(timeText), 0, timeText.length), parseTime(timeText, 'year-first')];
        // Leap days and leap seconds, and all that is not ISO 8601 in UTC, may go the slow lane.
        const plain = /^[\d-]{10}T[\d:.]{5,18}Z?$/.test(timeText) && !/-02-29|:60|T24/.test(timeText);
        expect(fast).toEqual(plain || !Number.isNaN(fast) ? slow : Number.NaN);
        const fastValue = parseNumberBytes(bytes(valueText), 0, valueText.length);
        if (!Number.isNaN(fastValue)) expect(fastValue).toBe(parseNumberField(valueText, false));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads times as Date.parse does, and refuses those that do not exist', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1900-01-01'), max: new Date('2199-12-31'), noInvalidDate: true }),
        (date) => {
          expect(parseTime(date.toISOString(), 'year-first')).toBe(date.getTime());
          const [year, month, day, clock] = date.toISOString().split(/[-T]/) as [string, string, string, string];
          expect(parseTime(`${day}.${month}.${year} ${clock}`, 'day-first')).toBe(date.getTime());
        },
      ),
    );
    for (const text of [
      '2021-13-01',
      '2021-02-29',
      '2021-00-10',
      '2021-01-01 25:00',
      '2021-01-01 10:61',
      '2021-01-01 10:00 xx',
      '21-1-1',
      '',
    ]) {
      expect(parseTime(text, 'year-first')).toBeNaN();
    }
  });

  it('stops when aborted, and tells how far it is', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'series-'));
    try {
      const path = join(folder, 'long.csv');
      await writeFile(path, `time,value\n${'2021-02-02 14:51:00,20.5\n'.repeat(200_000)}`);
      const controller = new AbortController();
      const seen: number[] = [];
      const table = readTable(path, {
        signal: controller.signal,
        onProgress: ({ bytes: done, totalBytes }) => {
          seen.push(done);
          expect(totalBytes).toBe(11 + 200_000 * 25);
          if (done > 2e6) controller.abort();
        },
      });
      const readAll = async (): Promise<void> => {
        for await (const batch of table) expect(batch.length).toBeGreaterThan(0);
      };
      await expect(readAll()).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(seen.length).toBeGreaterThan(1);
      expect(seen[seen.length - 1]).toBeLessThan(4e6);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reads 200 MB in bounded memory', async () => {
    const script = `
      import { readTable } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
      const block = Buffer.from('2021-02-02T14:51:01.026563,home,11.937,indoor,20\\n'.repeat(20000));
      async function* blocks() { yield Buffer.from('time_point,user,value,tag,id\\n'); for (let sent = 0; sent < 200e6; sent += block.length) yield block; }
      for await (const batch of readTable([])) void batch;`;
    const measured = script.replace(
      'for await (const batch of readTable([])) void batch;',
      `let count = 0, before = 0;
       for await (const batch of readTable(blocks())) { before ||= process.memoryUsage().rss; count += batch.length; }
       console.log(count, (process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20);`,
    );
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', measured]);
    const [count, grownMiB] = stdout.trim().split(' ').map(Number) as [number, number];
    expect(count).toBeGreaterThan(4e6);
    expect(grownMiB).toBeLessThan(60);
  });
});
