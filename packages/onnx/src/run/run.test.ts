import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  encodeModel,
  GraphBuilder,
  modelOf,
  openSession,
  openSessionProcess,
  SessionCache,
  tensorOf,
  type Model,
  type RunTensor,
} from '../index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-run-'));
});
afterAll(() => rm(folder, { recursive: true }));

function doubler(gain = 2): Model {
  const b = new GraphBuilder('double');
  const x = b.input('x', 'float32', ['n', 2]);
  b.output('y', b.op('Mul', [x, b.scalar(gain)]));
  b.output('z', b.op('Neg', [x]));
  return modelOf(b.build());
}

/** Counts to a huge number: seconds to minutes of work. */
function endless(): Model {
  const b = new GraphBuilder('endless');
  const x = b.input('x', 'float32', ['n', 2]);
  const body = b.subgraph('body');
  body.input('i', 'int64', []);
  body.output(body.op('Identity', [body.input('go', 'bool', [])]));
  body.output(body.op('Sin', [body.input('state', 'float32', ['n', 2])]));
  b.output(
    'y',
    b.ops('Loop', [b.constant(tensorOf('int64', [], [10n ** 12n])), undefined, x], { body: body.graph() }, 1)[0]!,
  );
  return modelOf(b.build());
}

const x: RunTensor = { dtype: 'float32', dims: [1, 2], data: Float32Array.of(1, 2) };

describe('openSession', () => {
  test('runs bytes, models and files alike, and only the outputs asked for', async () => {
    const path = join(folder, 'double.onnx');
    await writeFile(path, encodeModel(doubler()));
    for (const source of [doubler(), encodeModel(doubler()), path]) {
      await using session = await openSession(source);
      expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['n', 2] }]);
      expect(Object.keys(await session.run({ x }, { outputs: ['z'] }))).toEqual(['z']);
      expect((await session.run({ x }))['y']!.data).toEqual(Float32Array.of(2, 4));
    }
  });

  test.each<[string, Record<string, RunTensor>, string]>([
    ['a missing input', {}, 'x'],
    ['an unknown input', { x, other: x }, 'other'],
    ['a wrong type', { x: { dtype: 'float64', dims: [1, 2], data: Float64Array.of(1, 2) } }, 'x'],
    ['a wrong shape', { x: { dtype: 'float32', dims: [1, 3], data: Float32Array.of(1, 2, 3) } }, 'x'],
    ['negative dimensions', { x: { dtype: 'float32', dims: [-1, -2], data: Float32Array.of(1, 2) } }, 'x'],
    ['elements in the wrong array', { x: { dtype: 'float32', dims: [1, 2], data: Float64Array.of(1, 2) } }, 'x'],
    ['too few elements', { x: { dtype: 'float32', dims: [2, 2], data: Float32Array.of(1, 2) } }, 'x'],
  ])('refuses %s, naming it', async (_, feeds, where) => {
    await using session = await openSession(doubler());
    await expect(session.run(feeds)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where });
  });

  test('says what is wrong with a model it cannot open', async () => {
    await expect(openSession(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({ code: 'INVALID_MODEL' });
    await expect(openSession(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(openSession(modelOf(doubler().graph, { opset: 27 }))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(openSession(doubler(), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('16-bit floats, 64-bit integers, booleans and texts go in and come out', async () => {
    const b = new GraphBuilder('types');
    b.output('f', b.op('Identity', [b.input('half', 'float16', [2])]));
    b.output('i', b.op('Add', [b.input('long', 'int64', [1]), b.int64([1])]));
    b.output('b', b.op('Not', [b.input('flag', 'bool', [1])]));
    b.output('s', b.op('Identity', [b.input('text', 'string', [1])]));
    await using session = await openSession(modelOf(b.build()));
    const out = await session.run({
      half: { dtype: 'float16', dims: [2], data: Uint16Array.of(0x3c00, 0xc000) },
      long: { dtype: 'int64', dims: [1], data: BigInt64Array.of(2n ** 60n) },
      flag: { dtype: 'bool', dims: [1], data: Uint8Array.of(1) },
      text: { dtype: 'string', dims: [1], data: ['sanderling'] },
    });
    const half = out['f']!.data as Uint16Array;
    expect(Array.from(new Uint16Array(half.buffer, half.byteOffset, 2))).toEqual([0x3c00, 0xc000]);
    expect(out['i']!.data).toEqual(BigInt64Array.of(2n ** 60n + 1n));
    expect([out['b']!.data[0], out['s']!.data[0]]).toEqual([0, 'sanderling']);
  });
});

test('closing waits for runs in progress and refuses new ones', async () => {
  const session = await openSession(doubler());
  const runs = [session.run({ x }), session.run({ x })];
  await session.close();
  for (const out of await Promise.all(runs)) expect(out['y']!.data).toEqual(Float32Array.of(2, 4));
  await expect(session.run({ x })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a type that the binding cannot carry is refused before it aborts the process', async () => {
  const b = new GraphBuilder('narrow');
  const value = b.input('x', 'float32', ['n', 2]);
  b.output('narrow', b.op('Cast', [value], { to: 22 }));
  b.output('wide', b.op('Neg', [value]));
  await using session = await openSession(modelOf(b.build()));
  await expect(session.run({ x })).rejects.toMatchObject({ code: 'UNSUPPORTED', where: 'narrow' });
  expect((await session.run({ x }, { outputs: ['wide'] }))['wide']!.data).toEqual(Float32Array.of(-1, -2));
});

describe('SessionCache', () => {
  test('loads equal models once, keeps a few unused and gives a limit', async () => {
    await using cache = new SessionCache({ idle: 1, limit: 2 });
    const bytes = encodeModel(doubler());
    const [one, two] = await Promise.all([cache.borrow(bytes), cache.borrow(new Uint8Array(bytes))]);
    expect(cache.size).toBe(1);
    const three = await cache.borrow(encodeModel(doubler(3)));
    await expect(cache.borrow(encodeModel(doubler(4)))).rejects.toMatchObject({ code: 'LIMIT_REACHED' });
    expect((await three.run({ x }))['y']!.data).toEqual(Float32Array.of(3, 6));
    await one.close();
    expect((await two.run({ x }))['y']!.data).toEqual(Float32Array.of(2, 4));
    await two.close();
    await three.close();
    expect(cache.size).toBe(1);
    await expect(three.run({ x })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await using four = await cache.borrow(encodeModel(doubler(4)));
    expect((await four.run({ x }))['y']!.data).toEqual(Float32Array.of(4, 8));
  });

  test('a model that cannot be opened is not kept', async () => {
    await using cache = new SessionCache();
    await expect(cache.borrow(Uint8Array.of(9))).rejects.toMatchObject({ code: 'INVALID_MODEL' });
    expect(cache.size).toBe(0);
  });
});

describe('openSessionProcess', () => {
  test('runs in another process and passes errors on', async () => {
    await using session = await openSessionProcess(doubler());
    expect(session.pid).not.toBe(process.pid);
    expect((await session.run({ x }))['y']!.data).toEqual(Float32Array.of(2, 4));
    await expect(session.run({})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where: 'x' });
    await expect(openSessionProcess(Uint8Array.of(1))).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  });

  test('a run in progress is stopped by its signal, and the next one works again', async () => {
    await using session = await openSessionProcess(endless());
    const first = session.pid;
    const stop = new AbortController();
    const run = session.run({ x }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    const again = session.run({ x }, { signal: AbortSignal.timeout(400) });
    await expect(again).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(session.pid).not.toBe(first);
  });

  test('a process that dies fails its run and is replaced', async () => {
    await using session = await openSessionProcess(doubler());
    process.kill(session.pid!, 'SIGKILL');
    const outcome = await session.run({ x }).then(
      () => 'ran',
      (error: { code: string }) => error.code,
    );
    expect(['ran', 'UNAVAILABLE']).toContain(outcome);
    expect((await session.run({ x }))['y']!.data).toEqual(Float32Array.of(2, 4));
  });
});
