import { expect, test } from 'vitest';
import { createRandom } from '@sanderling/kit';
import { encodeFrame, FrameReader, type Frame } from './frames.ts';
import { maxPayload } from './protocol.ts';

const random = createRandom(4);
const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random.int(0, 255)));
const frame = (seq: number, length = random.int(0, 200)): Frame => ({ type: 0x11, seq, payload: bytes(length) });
const seqs = (frames: Iterable<Frame>): number[] => [...frames].map(({ seq }) => seq);

test('frames come out as they went in, however the stream is cut', () => {
  const frames = Array.from({ length: 200 }, (_, i) => frame(i, i === 7 ? maxPayload : random.int(0, 300)));
  const stream = Buffer.concat(frames.map(encodeFrame));
  const reader = new FrameReader(100);
  const found: Frame[] = [];
  for (let at = 0; at < stream.length; ) {
    const piece = random.int(1, 90);
    found.push(...reader.push(stream.subarray(at, at + piece), 0));
    at += piece;
  }
  expect(found.map(({ type, seq, payload }) => ({ type, seq, payload: Buffer.from(payload) }))).toEqual(frames);
  expect(reader.counts).toEqual({ frames: 200, damaged: 0 });
});

test('the layout is the one that is written down', () => {
  expect(encodeFrame({ type: 0x06, seq: 0x01020304, payload: Uint8Array.of(0xff) }).toString('hex')).toBe(
    // sync, type, version, number, length, check of the head, payload, CRC-32 (both computed with Python's zlib)
    'a55a06010403020101006176ffa83d42c3',
  );
  expect(() => encodeFrame(frame(1, maxPayload + 1))).toThrow(/takes 1152/);
});

test('a frame cut in its middle, or damaged anywhere, never takes the next one with it', () => {
  for (let trial = 0; trial < 400; trial++) {
    const reader = new FrameReader(100);
    const first = encodeFrame(frame(1));
    if (trial % 2 === 0) first[random.int(0, first.length - 1)]! ^= 1 << random.int(0, 7);
    const sent = trial % 2 === 0 ? first : first.subarray(0, random.int(1, first.length - 1));
    const found = seqs(reader.push(sent, 0));
    found.push(...seqs(reader.push(encodeFrame(frame(2)), 10)));
    found.push(...seqs(reader.expire(200)));
    expect([trial, found]).toEqual([trial, [2]]);
    expect(reader.waiting).toBe(false);
  }
});

test('the rest of a frame that comes too late is no frame', () => {
  const reader = new FrameReader(100);
  const late = encodeFrame(frame(1, 100));
  expect(seqs(reader.push(late.subarray(0, 50), 0))).toEqual([]);
  expect(seqs(reader.push(late.subarray(50), 101))).toEqual([]);
  expect(seqs(reader.push(encodeFrame(frame(2)), 300))).toEqual([2]);
});

test('garbage is passed over in bounded memory; what looks like a frame needs its checks', () => {
  const reader = new FrameReader(100);
  let found = 0;
  for (let round = 0; round < 300; round++) {
    const noise = bytes(random.int(1, 4000));
    for (let i = 0; i + 1 < noise.length; i += random.int(10, 60)) noise.set([0xa5, 0x5a], i);
    found += seqs(reader.push(noise, round)).length;
  }
  expect(found).toBe(0);
  expect(seqs(reader.push(encodeFrame(frame(9)), 1000))).toEqual([9]);
});
