import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { SanderlingError } from '@sanderling/kit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tasksOf } from './config.ts';
import { fileStream } from './file-stream.ts';
import { editorSchema } from './editor-schema.ts';
import { readLabFile } from './lab-file.ts';
import { labHtml } from './lab-html.ts';
import { labMarkdown, labReport } from './lab-report.ts';
import { labSchema } from './lab-schema.ts';
import { runLab } from './run-lab.ts';

const lab = join(import.meta.dirname, '../../lab');
const root = resolve(import.meta.dirname, '../../../..');

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drift-file-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const base = {
  streams: [{ name: 'mean', made: { concept: 'mean', length: 1500, drifts: 1, features: 2, magnitude: 2 } }],
  detectors: ['adwin'],
};

async function read(config: unknown): Promise<ReturnType<typeof readLabFile>> {
  const path = join(folder, 'lab.json');
  await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config));
  return readLabFile(path);
}

async function refusal(config: unknown): Promise<string> {
  try {
    await read(config);
  } catch (error) {
    return error instanceof SanderlingError ? `${error.code} ${error.where}` : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

describe('a lab’s config file', () => {
  it.each<[string, object]>([
    ['streams', { streams: [] }],
    ['streams[0].made.concept', { streams: [{ name: 'x', made: { concept: 'moon' } }] }],
    ['streams[0].made.length', { streams: [{ name: 'x', made: { concept: 'sea', length: 1.5 } }] }],
    ['streams[0].made.drifts', { streams: [{ name: 'x', made: { concept: 'sea', length: 3, drifts: 9 } }] }],
    ['streams[0].made.speed', { streams: [{ name: 'x', made: { concept: 'sea', speed: 1 } }] }],
    ['streams[0]', { streams: [{ name: 'x' }] }],
    [
      'streams[0].file.drifts[1].end',
      { streams: [{ name: 'x', file: { path: 'a', drifts: [3, { start: 4, end: 0 }] } }] },
    ],
    ['detectors[1]', { detectors: ['adwin', 'nothing'] }],
    ['detectors[0].options.delta', { detectors: [{ detector: 'adwin', options: { delta: 'much' } }] }],
    ['detectors[0].options.delta', { detectors: [{ detector: 'adwin', options: { delta: 7 } }] }],
    ['detectors[0].options.speed', { detectors: [{ detector: 'adwin', options: { speed: 7 } }] }],
    ['detectors[0].baseline', { detectors: [{ baseline: 'often' }] }],
    ['detectors[0]', { detectors: [{ baseline: 'every' }] }],
    ['detectors', { detectors: ['adwin', 'adwin'] }],
    ['acceptance.after', { acceptance: { after: -1 } }],
    ['seeds[1]', { seeds: [1, 'two'] }],
    ['training', { training: 3 }],
    ['colour', { colour: 'red' }],
    ['search.detectors[0]', { search: { detectors: ['ddm'], trials: 20 } }],
    ['search.streams[0]', { search: { detectors: ['adwin'], trials: 20, streams: ['sea'] } }],
    ['search.trials', { search: { detectors: ['adwin'] } }],
  ])('names the wrong field: %s', async (where, change) => {
    expect(await refusal({ ...base, ...change })).toBe(`INVALID_CONFIG ${where}`);
  });

  it('is never read half: whatever is in it, it is a lab or refused by code', async () => {
    expect(await refusal('{ "streams": [')).toMatch(/^INVALID_CONFIG .*lab\.json$/);
    expect(await refusal('[]')).toBe('INVALID_CONFIG config');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('streams', 'detectors', 'search', 'acceptance'),
        fc.jsonValue(),
        async (key, junk) => {
          expect(await refusal({ ...base, [key]: junk })).toMatch(/^(nothing thrown|INVALID_CONFIG )/);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('writes short forms out: names alone, grids, drift points as numbers or in a file', async () => {
    await writeFile(join(folder, 'x.csv.gz'), gzipSync('1,2\n3,4\n5,6\n'));
    await writeFile(join(folder, 'x.drifts.json'), '[1]');
    const { config, title } = await read({
      ...base,
      streams: [
        { name: 'x', file: { path: 'x.csv.gz', labelled: false, drifts: 'x.drifts.json' } },
        { name: 'y', file: { path: 'x.csv.gz', labelled: false, drifts: [1, { start: 2, end: 3 }] } },
      ],
      detectors: ['ks', { detector: 'adwin', grid: { delta: [0.1, 0.2], clock: [8] } }, { baseline: 'every', k: 5 }],
    });
    expect(title).toBe('lab');
    expect(config.detectors.map(({ name }) => name)).toEqual([
      'ks',
      'adwin delta=0.1 clock=8',
      'adwin delta=0.2 clock=8',
      'every 5',
    ]);
    expect(config.streams).toMatchObject([
      { file: { drifts: [{ start: 1, end: 2 }] } },
      {
        file: {
          drifts: [
            { start: 1, end: 2 },
            { start: 2, end: 3 },
          ],
        },
      },
    ]);
    const [stream] = config.streams;
    if (stream === undefined || !('file' in stream)) throw new Error('no file');
    expect(Array.from(fileStream('x', stream.file).samples(), ({ x }) => [...x])).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    await writeFile(join(folder, 'x.csv.gz'), gzipSync('9,2\n3,4\n5,6\n'));
    const changed = readLabFile(join(folder, 'lab.json')).config.streams[0];
    expect(changed).not.toEqual(stream);
  });

  it('says what to fetch when a recorded stream or the file itself is missing', async () => {
    const streams = [{ name: 'x', file: { path: 'none.csv' } }];
    await expect(read({ ...base, streams, fetch: 'get it from the shelf' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      where: join(folder, 'none.csv'),
      fix: 'get it from the shelf',
    });
    expect(() => readLabFile(join(folder, 'no.json'))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    expect(() => readLabFile(folder)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });

  it('asks for held-out streams where recorded ones are searched', async () => {
    await writeFile(join(folder, 'x.csv'), '1,2\n3,4\n');
    const streams = [{ name: 'x', file: { path: 'x.csv' } }];
    const { searches } = await read({ ...base, streams, search: { detectors: ['adwin'], trials: 4 } });
    expect(searches).toMatchObject([{ name: 'adwin', population: 20, search: { detector: 'adwin', trials: 4 } }]);
  });
});

describe('the four labs of the repository', () => {
  const data = (): string | undefined => {
    const shared = process.env['SANDERLING_SHARED'] ?? join(root, '..', 'shared');
    const tool = join(shared, 'tools', 'data');
    return existsSync(tool) ? execFileSync(tool, ['drift-streams'], { encoding: 'utf8' }).trim() : undefined;
  };

  it.each(['synthetic', 'vibration', 'brightness', 'recorded'])('%s can be run', (name) => {
    const folder = name === 'recorded' ? data() : undefined;
    const path = join(lab, `${name}.json`);
    if (name === 'recorded' && folder === undefined) {
      console.log('the data set drift-streams is not here: only that the file says so is tested');
      expect(() => readLabFile(path)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
      return;
    }
    const { config, title } = readLabFile(path, folder);
    expect(tasksOf(config).length).toBeGreaterThan(20);
    expect(title).toMatch(/^Drift lab/);
    expect(readdirSync(lab)).toContain('schema.json');
  });

  it('on the gearbox the detectors find load, damage and recovery, and no baseline comes near', async () => {
    const { config } = readLabFile(join(lab, 'vibration.json'));
    const detectors = config.detectors.filter(({ name }) => ['ks', 'spll', 'never', 'every 100'].includes(name));
    const report = labReport(await runLab({ ...config, detectors }, { processes: 2 }), config);
    const of = (detector: string) => report.summaries.find((row) => row.detector === detector);
    expect(report.streams[0]?.drifts).toHaveLength(3);
    for (const name of ['ks', 'spll']) expect(of(name)).toMatchObject({ mdr: { median: 0 }, fd: { median: 0 } });
    expect(of('ks')?.delay?.median).toBeLessThan(30);
    expect(of('every 100')?.fd.median).toBeGreaterThan(5);
    expect(of('never')).toMatchObject({ mdr: { median: 1 }, mtfaAtLeast: true });
  });

  it('keeps the schema for editors fresh: node packages/drift/src/lab/make-schema.ts', () => {
    expect(JSON.parse(readFileSync(join(lab, 'schema.json'), 'utf8'))).toEqual(editorSchema(labSchema));
  });
});

describe('the report', () => {
  it('shows run lengths on steady streams, the front, and alarms over time', async () => {
    const { config } = await read({
      seeds: [1],
      acceptance: { after: 300 },
      streams: [...base.streams, { name: 'steady', made: { concept: 'mean', length: 1500, drifts: 0, features: 2 } }],
      detectors: ['adwin', 'ks', 'page-hinkley', { baseline: 'never' }, { baseline: 'every', k: 100 }],
    });
    const report = labReport(await runLab(config, { processes: 2 }), config);
    const runs = Object.fromEntries(report.runLengths.map((run) => [run.detector, run]));
    expect(runs['never']).toEqual({ stream: 'steady', detector: 'never', arl0: 1500, atLeast: true });
    expect(runs['every 100']).toMatchObject({ arl0: 100, atLeast: false });
    const text = labMarkdown(report, 'T', 'about it');
    expect(text).toMatch(/\| never \| steady \| ≥ 1500 \|/);
    expect(text).toMatch(/\| (adwin|ks|page-hinkley) ◆ \|/);
    expect(text).not.toMatch(/(never|every 100) ◆/);
    const page = labHtml(report, 'T', 'about it');
    expect(page).toContain('aria-label="alarms over time"');
    expect(page).toContain('aria-label="time and memory of a sample"');
    expect(page.match(/class="found"/g)?.length).toBeGreaterThan(1);
    expect(page).not.toMatch(/NaN|Infinity|undefined|https?:/);
  });
});
