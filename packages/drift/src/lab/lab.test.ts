import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { createRandom, SanderlingError } from '@sanderling/kit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tasksOf, type LabConfig } from './config.ts';
import { fileStream } from './file-stream.ts';
import { labHtml } from './lab-html.ts';
import { labMarkdown, labReport } from './lab-report.ts';
import { runLab, type LabProgress } from './run-lab.ts';
import { searchDetector, searchSpaceOf, type LabOptimiser } from './search-detector.ts';
import { dominates } from './summary.ts';
import { firstFileOf } from './unzip.ts';

const config: LabConfig = {
  seeds: [1, 2],
  training: 200,
  acceptance: { after: 500 },
  streams: [
    { name: 'sea', made: { concept: 'sea', length: 3000, drifts: 1, magnitude: 4 } },
    { name: 'errors', made: { concept: 'errors', length: 3000, drifts: 2 } },
    { name: 'mean', made: { concept: 'mean', length: 3000, drifts: 1, features: 3, magnitude: 2 } },
  ],
  detectors: [
    { name: 'adwin', detector: 'adwin' },
    { name: 'ddm', detector: 'ddm' },
    { name: 'ks', detector: 'ks' },
    { name: 'every 500', baseline: 'every', k: 500 },
    { name: 'oracle', baseline: 'oracle' },
  ],
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drift-lab-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

function zipOf(name: string, content: string): Buffer {
  const packed = deflateRawSync(content);
  const local = Buffer.alloc(30 + name.length);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  local.write(name, 30);
  const entry = Buffer.alloc(46 + name.length);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(content.length, 24);
  entry.writeUInt16LE(name.length, 28);
  entry.write(name, 46);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(local.length + packed.length, 16);
  return Buffer.concat([local, packed, entry, end]);
}

describe('the lab', () => {
  it('runs what fits, finds the drifts, and shows the baselines beside', async () => {
    const seen: LabProgress[] = [];
    const results = await runLab(config, { processes: 2, onProgress: (progress) => seen.push(progress) });
    // Error detectors on the unlabelled mean stream do not fit: ADWIN takes its value, DDM is left out.
    expect(results.length).toBe((5 + 5 + 4) * 2);
    expect(seen.at(-1)).toMatchObject({ done: results.length, total: results.length });
    const { summaries } = labReport(results, config);
    const of = (stream: string, detector: string) =>
      summaries.find((row) => row.stream === stream && row.detector === detector);
    expect(of('mean', 'ks')?.mdr?.median).toBe(0);
    expect(of('mean', 'ks')?.mtd?.median).toBeLessThan(150);
    expect(of('errors', 'adwin')?.mdr?.median).toBeLessThan(0.6);
    expect(of('sea', 'oracle')).toMatchObject({ mtd: { median: 0 }, mdr: { median: 0 }, fd: { median: 0 } });
    expect(of('sea', 'every 500')?.fd.median).toBeGreaterThan(2);
    expect(of('sea', 'oracle')?.accuracy?.median).toBeGreaterThan(0.8);
    expect(of('mean', 'ks')?.accuracy).toBeNull();
    expect(of('mean', 'ks')?.nsPerSample).toBeGreaterThan(0);
  });

  it('goes on where it was stopped, also after a torn line, and gives the same', async () => {
    const controller = new AbortController();
    const stopped = runLab(config, {
      folder,
      processes: 2,
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done === 8) controller.abort();
      },
    });
    expect(await codeOf(() => stopped)).toBe('CANCELLED');
    await appendFile(join(folder, 'results.jsonl'), '\n{"address":"torn","resu');
    const before = (await readFile(join(folder, 'results.jsonl'), 'utf8')).split('\n').length;
    expect(before).toBeGreaterThan(8);
    let first: LabProgress | undefined;
    const results = await runLab(config, { folder, processes: 2, onProgress: (progress) => (first ??= progress) });
    expect(first?.done).toBeGreaterThanOrEqual(8);
    const whole = await runLab(config, { processes: 2 });
    const plain = (list: typeof results): unknown => list.map(({ nsPerSample: _time, ...rest }) => rest);
    expect(plain(results)).toEqual(plain(whole));
  });

  it('prints Markdown and a page that needs nothing else', async () => {
    const [stream, ...others] = config.streams;
    const hostile = { ...config, seeds: [1], streams: [{ ...stream, name: '<b>sea</b>' } as (typeof others)[number]] };
    const report = labReport(await runLab(hostile, { processes: 1 }), hostile);
    const page = labHtml(report, 'A & B');
    expect(page).not.toMatch(/<b>|https?:|src=/);
    expect(page).toContain('A &amp; B');
    expect(page.match(/<circle/g)?.length).toBeGreaterThanOrEqual(3);
    const text = labMarkdown(report);
    expect(text).toMatch(/\| every 500 \|/);
    expect(text.split('\n').filter((line) => line.startsWith('| ')).length).toBe(1 + 5);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('refuses a config that makes no sense before anything runs', async () => {
    const bad: object[] = [
      { streams: [] },
      { detectors: [config.detectors[0], config.detectors[0]] },
      { seeds: [] },
      { seeds: [0.5] },
      { training: 1 },
      { acceptance: { after: -1 } },
      { detectors: [{ name: 'x', detector: 'nothing' }] },
      { detectors: [{ name: 'x', detector: 'adwin', options: { delta: 7 } }] },
      { detectors: [{ name: 'x', baseline: 'every', k: 0 }] },
      { streams: [{ name: 'x', made: { concept: 'sea', length: -1 } }] },
      { streams: [{ name: 'x', file: {} }] },
      { streams: [{ name: 'x' }] },
    ];
    for (const change of bad) expect(await codeOf(() => tasksOf({ ...config, ...change }))).toBe('INVALID_CONFIG');
    expect(await codeOf(() => runLab(config, { processes: 0 }))).toBe('INVALID_CONFIG');
  });

  it('tells which file is missing, from the child', async () => {
    const missing: LabConfig = { ...config, streams: [{ name: 'x', file: { path: join(folder, 'none.csv') } }] };
    expect(await codeOf(() => runLab(missing, { processes: 1 }))).toBe('NOT_FOUND');
  });
});

describe('recorded streams', () => {
  const arff = '@relation x\n@attribute a numeric\n@data\n1,2,UP\n3,4,DOWN\n% comment\n5,6,UP\n';
  it.each([
    ['x.arff', arff],
    ['x.csv', 'a,b,class\n1,2,UP\n3,4,DOWN\r\n5,6,UP\n'],
  ])('reads %s', async (name, text) => {
    const path = join(folder, name);
    await writeFile(path, text);
    await writeFile(`${path}.zip`, zipOf(name, text));
    for (const file of [path, `${path}.zip`]) {
      const stream = fileStream('x', { path: file, drifts: [{ start: 1, end: 2 }] });
      expect(stream).toMatchObject({ length: 3, features: 2, labelled: true });
      expect(Array.from(stream.samples(), ({ x, label }) => [...x, label])).toEqual([
        [1, 2, 0],
        [3, 4, 1],
        [5, 6, 0],
      ]);
    }
  });

  it('names the line that is wrong, and calls damaged archives corrupt', async () => {
    const path = join(folder, 'bad.csv');
    await writeFile(path, '1,2,a\n3,x,b\n');
    expect(() => fileStream('x', { path })).toThrow(/line 2 is not 2 numbers/);
    await writeFile(path, '');
    expect(await codeOf(() => fileStream('x', { path }))).toBe('INVALID_DATA');
    const zip = zipOf('a.csv', '1,2,a\n'.repeat(50));
    for (let cut = 0; cut < zip.length; cut += 7)
      expect(await codeOf(() => firstFileOf(zip.subarray(0, cut)))).toBe('CORRUPT');
    const random = createRandom(1, 'zip');
    for (let i = 0; i < 200; i++) {
      const damaged = Buffer.from(zip);
      damaged[random.int(0, zip.length - 1)] = random.int(0, 255);
      expect(await codeOf(() => firstFileOf(damaged))).toMatch(/nothing thrown|CORRUPT|UNSUPPORTED|TOO_LARGE/);
    }
  });
});

describe('search over a detector’s options', () => {
  it('finds options that no default beats, scored on seeds that it has not seen', async () => {
    const random = createRandom(4, 'optimiser');
    const space = searchSpaceOf('stepd');
    let id = 0;
    const told: unknown[] = [];
    const optimiser: LabOptimiser = {
      ask: () => ({
        id: id++,
        params: Object.fromEntries(
          space.map(({ name, low, high, log, whole }) => {
            const value = log ? Math.exp(random.uniform(Math.log(low), Math.log(high))) : random.uniform(low, high);
            return [name, whole ? Math.round(value) : value];
          }),
        ),
      }),
      tell: (_id, outcome) => void told.push(outcome),
    };
    const report = await searchDetector(
      {
        detector: 'stepd',
        streams: [{ name: 'errors', made: { concept: 'errors', length: 2000, drifts: 3 } }],
        seeds: [1, 2],
        heldOutSeeds: [11, 12],
        acceptance: { after: 300 },
        trials: 20,
        processes: 2,
      },
      optimiser,
    );
    expect(told.length).toBe(20);
    expect(report.tried + report.refused).toBe(20);
    expect(report.front.length).toBeGreaterThan(0);
    for (const a of report.front) expect(report.front.some((b) => dominates(b.costs, a.costs))).toBe(false);
    for (const point of report.front) expect(point.heldOut.length).toBe(3);
    expect(report.front.some(({ heldOut }) => !dominates(report.defaults, heldOut))).toBe(true);
  });

  it('refuses held-out seeds that were searched', async () => {
    const search = { detector: 'ddm', streams: config.streams, seeds: [1], heldOutSeeds: [1], trials: 1 };
    expect(await codeOf(() => searchDetector(search, { ask: () => undefined, tell: () => undefined }))).toBe(
      'INVALID_CONFIG',
    );
    expect(await codeOf(() => searchSpaceOf('nothing'))).toBe('INVALID_CONFIG');
  });
});
