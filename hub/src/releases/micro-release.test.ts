// From readings to a signed bundle for a microcontroller: the same pipeline, int8, gates on the emulated board, images for both slots.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boards, hasBoardTools, readImage } from '@sanderling/micro';
import { decodeModel } from '@sanderling/onnx';
import { imageRelease } from '@sanderling/wire';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ended, feed, openHouse, roomReadings, smallProject } from '../learning.suite.ts';
import { Forecaster } from '../workers/tasks/run-model.ts';

// Seconds of work on a quiet machine; a busy one may take a minute.
vi.setConfig({ testTimeout: 240_000 });

const possible = await hasBoardTools();
if (!possible)
  console.log(
    'skipped: releases for microcontrollers (no qemu-system-arm, gcc-arm-none-eabi, libnewlib-arm-none-eabi)',
  );

/** The slots of the real flash, and of the emulated board's. */
const addresses = [0x08080000, 0x08100000, boards.m7.slots.a, boards.m7.slots.b];

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'micro-release-'));
const microcontroller = { ...smallProject, targets: ['stm32h745'], optimise: ['fold-constants', 'quantise-int8'] };

test.runIf(possible)(
  'a version becomes images for both slots, measured and signed; the same again is the same',
  async () => {
    await using house = await openHouse(await newFolder());
    const gates = [
      { gate: 'ram', maxKb: 64 },
      { gate: 'flash', maxKb: 128 },
      { gate: 'latency', maxMs: 1, target: 'stm32h745' },
    ];
    await house.projects.put({ ...microcontroller, gates });
    await feed(house, 'room', roomReadings(900));
    const execution = await ended(house, (await house.pipelines.begin('room')).id);
    expect([execution.state, execution.reason]).toEqual(['succeeded', null]);
    expect(execution.steps.find(({ name }) => name === 'optimise')!.message).toMatch(/int8: \d+ of \d+ layers/);
    const [release] = (await house.releases.list('room')).items;
    const { manifest, files } = await house.releases.open(release!.digest);
    const image = imageRelease({ project: 'room', version: 1, target: 'stm32h745' });
    expect(await house.releases.byImage(image)).toBe(release!.digest);
    expect(await house.releases.byImage('0'.repeat(64))).toBeUndefined();
    expect(manifest.files.map(({ path }) => path)).toEqual([
      'model.onnx',
      ...addresses.map((address) => `image-${address.toString(16).padStart(8, '0')}.bin`),
    ]);
    for (const [i, listed] of manifest.images!.entries()) {
      const { header } = readImage(files.get(listed.file)!);
      const slotAddress = addresses[i]!;
      expect(header).toMatchObject({ board: 'm7', slotAddress, sequence: release!.sequence, release: image });
      expect(listed).toMatchObject({ board: 'm7', slotAddress, sequence: release!.sequence, release: image });
    }
    const { cost } = manifest;
    expect(release!.cost).toEqual(cost);
    expect(cost!.difference).toBeLessThan(0.15);
    expect(cost!.memoryBytes).toBeGreaterThan(4000);
    expect(cost!.instructions / cost!.multiplyAccumulates).toBeLessThan(20);
    const record = await house.registry.get('room', 1);
    const { spec } = await house.projects.get('room');
    expect((await house.releases.make(record, spec)).map(({ digest }) => digest)).toEqual([release!.digest]);
  },
);

test.runIf(possible)('a plain recurrent layer stays in float where all else is int8, and that is said', async () => {
  await using house = await openHouse(await newFolder());
  const space = { cell: 'rnn', hidden: 8, window: 12, batch: 64 };
  const search = { ...smallProject.search, trials: 2, space };
  await house.projects.put({ ...microcontroller, search });
  await feed(house, 'room', roomReadings(900));
  const execution = await ended(house, (await house.pipelines.begin('room')).id);
  expect([execution.state, execution.reason]).toEqual(['succeeded', null]);
  expect(execution.steps.find(({ name }) => name === 'optimise')!.message).toMatch(
    /int8: \d of \d layers.*; a plain recurrent layer has no int8 form, so .* stays in float/,
  );
  const [release] = (await house.releases.list('room')).items;
  const { files, manifest } = await house.releases.open(release!.digest);
  const { nodes } = decodeModel(files.get('model.onnx')!).graph;
  expect(nodes.map(({ opType }) => opType)).toEqual(expect.arrayContaining(['RNN', 'QuantizeLinear']));
  expect(manifest.cost!.difference).toBeLessThan(0.15);
});

test.runIf(possible)('a gate that the emulated board does not meet stops the execution with its sentence', async () => {
  await using house = await openHouse(await newFolder());
  await house.projects.put({ ...microcontroller, gates: [{ gate: 'flash', maxKb: 4 }] });
  await feed(house, 'room', roomReadings(900));
  const execution = await ended(house, (await house.pipelines.begin('room')).id);
  expect(execution.state).toBe('stopped');
  expect(execution.reason).toMatch(
    /^stopped by the gate flash: on the stm32h745 it takes [\d.]+ KB of flash .*at most 4.00 KB/,
  );
  expect((await house.releases.list('room')).items).toEqual([]);
});

test.runIf(possible)(
  'a release that wants more memory than the device gives stops the execution, and says what to shrink',
  async () => {
    await using house = await openHouse(await newFolder());
    const space = { cell: 'dense', hidden: 4, window: 450, batch: 64 };
    const search = { ...smallProject.search, trials: 2, epochs: 1, space };
    await house.projects.put({
      ...microcontroller,
      optimise: [],
      search,
      data: { ...smallProject.data, newest: 6000 },
    });
    await feed(house, 'room', roomReadings(4000));
    const execution = await ended(house, (await house.pipelines.begin('room')).id);
    expect(execution.state).toBe('stopped');
    expect(execution.reason).toMatch(/wants \d+ bytes of memory .* gives 262144 \(shorten the window/);
    expect(execution.steps.find(({ name }) => name === 'release')).toMatchObject({ state: 'stopped' });
  },
);

test('without the compiler nothing is trained for a microcontroller, and the packages are named', async () => {
  const { PATH } = process.env;
  process.env['PATH'] = '/nonexistent';
  onTestFinished(() => void (process.env['PATH'] = PATH));
  await using house = await openHouse(await newFolder());
  await house.projects.put(microcontroller);
  await feed(house, 'room', roomReadings(900));
  const execution = await ended(house, (await house.pipelines.begin('room')).id);
  expect(execution).toMatchObject({ state: 'failed' });
  expect(execution.reason).toMatch(
    /qemu-system-arm.*apt-get install qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi/,
  );
  expect(execution.steps.find(({ name }) => name === 'search')).toMatchObject({ state: 'skipped' });
});

test('int8 has headroom: a device lives to see values that no training part held', async () => {
  await using house = await openHouse(await newFolder());
  await house.projects.put({ ...smallProject, optimise: [] });
  await feed(house, 'room', roomReadings(900));
  await ended(house, (await house.pipelines.begin('room', { actions: ['retrain'] })).id);
  const record = await house.registry.get('room', 1);
  const float = await house.registry.modelInput(record);
  const data = { key: record.dataset, load: () => house.data.columns(record.dataset) };
  const { window, features } = record.preprocessing;
  const beyond = record.evaluation.selfTest.flatMap(({ input }) =>
    [-2.5, 2.5].map((by) => Float32Array.from(input, (value, i) => (i % features.length === 0 ? value + by : value))),
  );
  expect(beyond[0]!.length).toBe(window * features.length);
  const forecasts = async (model: Uint8Array): Promise<number[]> => {
    await using forecaster = await Forecaster.open({ ...float, model });
    const all = [];
    for (const input of beyond) all.push(...(await forecaster.run(input, 1)));
    return all;
  };
  const exact = await forecasts(float.model);
  const errors = [];
  for (const headroom of [0, 3]) {
    const steps = [{ step: 'quantise-int8', calibration: 'minmax', budget: 0.5, windows: 64, headroom }] as const;
    const { model } = await house.workers.run('optimise', { ...float, prepared: record.prepared, steps }, { data });
    const found = await forecasts(model);
    errors.push(Math.max(...found.map((value, i) => Math.abs(value - exact[i]!))));
  }
  expect(errors[1]!).toBeLessThan(0.15);
  expect(errors[0]!).toBeGreaterThan(3 * errors[1]!);
});
