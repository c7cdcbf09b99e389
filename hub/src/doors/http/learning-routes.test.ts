// Training, models and releases through the door: what a user calls, what comes back, and what bad requests are told.
import { openBundle } from '@sanderling/wire';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { roomReadings, smallProject } from '../../learning.suite.ts';
import { openTestHub, type TestHub } from '../../running-hub.suite.ts';

let hub: TestHub;
let execution: Record<string, unknown>;
const api = (path: string): string => `/api/v1${path}`;

beforeAll(async () => {
  hub = await openTestHub();
  await hub.call(api('/projects/room'), {
    method: 'PUT',
    body: { ...smallProject, gates: [{ gate: 'size', maxKb: 0.5 }] },
  });
  await hub.call(api('/projects/room/readings'), { method: 'POST', body: roomReadings(900) });
  const started = await hub.call(api('/projects/room/train'), { method: 'POST', body: {} });
  do execution = (await hub.call(api(`/executions/${String(started.body['id'])}`))).body;
  while (execution['endedAt'] === null);
});
afterAll(() => hub[Symbol.asyncDispose]());

const items = async (path: string): Promise<Record<string, unknown>[]> =>
  (await hub.call(api(path))).body['items'] as Record<string, unknown>[];

test('an execution tells its steps and why it stopped', async () => {
  expect(execution).toMatchObject({ state: 'stopped', trigger: 'manual' });
  expect(execution['reason']).toMatch(/^stopped by the gate size/);
  const log = (await hub.call(api(`/executions/${String(execution['id'])}/log`))).body['lines'] as { step: string }[];
  expect(log.some(({ step }) => step === 'gate')).toBe(true);
  const again = await hub.call(api(`/executions/${String(execution['id'])}/cancel`), { method: 'POST', body: {} });
  expect([again.status, again.code]).toEqual([409, 'CONFLICT']);
});

test('every trial is a run with params, epochs and artifacts', async () => {
  const [experiment] = await items('/projects/room/experiments');
  const runs = await items(`/experiments/${String(experiment!['id'])}/runs`);
  const trials = runs.filter((run) => run['parent'] !== null && run['name'] !== 'refit');
  expect(trials.length).toBe(4);
  for (const run of trials) {
    expect(run).toMatchObject({ state: 'finished', params: { cell: 'gru', batch: '64' } });
    expect((await items(`/runs/${String(run['id'])}/metrics/validation-loss`)).length).toBeGreaterThan(0);
    const artifacts = await items(`/runs/${String(run['id'])}/artifacts`);
    expect(artifacts.map(({ path }) => path)).toEqual(['history.json', 'model.onnx']);
  }
});

test('without a champion there is no forecast, with the way to one', async () => {
  const answer = await hub.call(api('/projects/room/predict'), { method: 'POST', body: {} });
  expect([answer.status, answer.code]).toEqual([404, 'NOT_FOUND']);
  expect(answer.text).toMatch(/train it/);
});

test('a version that a gate stopped is deployed by an admin’s force only; then it forecasts', async () => {
  const deploy = (body: object, key = hub.admin) =>
    hub.call(api('/projects/room/deploy'), { method: 'POST', body, key });
  const refused = await deploy({});
  expect([refused.status, refused.code]).toEqual([409, 'GATE_FAILED']);
  const made = await hub.call(api('/keys'), { method: 'POST', body: { name: 'writer', scope: 'write' } });
  const forbidden = await deploy({ force: true }, String(made.body['key']));
  expect([forbidden.status, forbidden.code]).toEqual([403, 'FORBIDDEN']);
  const rollout = await deploy({ force: true });
  expect(rollout.status).toBe(201);
  expect(rollout.body).toMatchObject({ state: 'succeeded', version: 1 });
  const [release] = await items('/projects/room/releases');
  const response = await fetch(`${hub.hub.url}${api(`/releases/${String(release!['digest'])}/bundle`)}`, {
    headers: { authorization: `Bearer ${hub.admin}` },
  });
  const bundle = openBundle(
    new Uint8Array(await response.arrayBuffer()),
    hub.hub.capabilities.hubKeys.release.publicKey,
  );
  expect(bundle.manifest).toMatchObject({ project: 'room', version: 1, target: 'linux-x64', sequence: 1 });
  expect(bundle.manifest.selfTest.cases.length).toBe(4);
  const forecast = await hub.call(api('/projects/room/predict'), { method: 'POST', body: { steps: 5 } });
  expect(forecast.status).toBe(200);
  expect((forecast.body['forecast'] as unknown[]).length).toBe(5);
  const champion = await hub.call(api('/projects/room/versions/champion'));
  expect(champion.body).toMatchObject({ version: 1, aliases: ['candidate', 'champion'] });
});

test('bad requests are told what is wrong', async () => {
  const cases = [
    ['POST', '/projects/nowhere/train', {}, 404, 'NOT_FOUND'],
    ['POST', '/projects/room/train', { run: ['dance'] }, 400, 'INVALID_ARGUMENT'],
    ['POST', '/projects/room/predict', { steps: 0 }, 400, 'INVALID_ARGUMENT'],
    ['POST', '/projects/room/predict', { steps: 10_000 }, 400, 'INVALID_ARGUMENT'],
    ['POST', '/projects/room/predict', { readings: [{ time: 1, value: 2 }] }, 422, 'TOO_LITTLE_DATA'],
    ['POST', '/projects/room/deploy', { version: 99 }, 404, 'NOT_FOUND'],
    ['GET', '/projects/room/versions/99', undefined, 404, 'NOT_FOUND'],
    ['GET', '/projects/nowhere/executions', undefined, 404, 'NOT_FOUND'],
    ['GET', '/executions/exe_none', undefined, 404, 'NOT_FOUND'],
    ['GET', '/runs/run_none', undefined, 404, 'NOT_FOUND'],
    ['GET', `/releases/${'0'.repeat(64)}`, undefined, 404, 'NOT_FOUND'],
    ['GET', '/releases/abc', undefined, 400, 'INVALID_ARGUMENT'],
    ['POST', '/rollouts/rol_none/cancel', {}, 404, 'NOT_FOUND'],
    ['PUT', '/projects/room/aliases/best', { version: 99 }, 404, 'NOT_FOUND'],
  ] as const;
  for (const [method, path, body, status, code] of cases) {
    const answer = await hub.call(api(path), { method, ...(body === undefined ? {} : { body }) });
    expect([path, answer.status, answer.code]).toEqual([path, status, code]);
  }
});
