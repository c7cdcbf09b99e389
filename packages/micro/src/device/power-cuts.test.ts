import { createHash, createHmac, randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createRandom } from '@sanderling/kit';
import { execute } from '../boards/toolchain.ts';
import { hasCompiler } from '../host.ts';
import { buildDevice, type DeviceProgram } from './build.ts';

// Compilers, emulators and processes: on a busy machine they take long, and that is no failure.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const possible = await hasCompiler();
const patience = { timeout: 240_000 };
let cuts: DeviceProgram;
beforeAll(async () => {
  if (possible) cuts = await buildDevice('host', { program: 'cuts.c' });
});
afterAll(async () => {
  await cuts?.[Symbol.asyncDispose]();
});

if (!possible) console.log('skipped: power cuts and fuzzing of the device (no C compiler)');

test.runIf(possible)(
  'the power goes at every step of an update: the device comes back with a sound model and finishes, nothing lost or doubled',
  async () => {
    const once = await execute(cuts.path, ['update', '2000', '1'], patience);
    expect(once).toMatchObject({ status: 0, words: '' });
    const [, steps, died] = /^update: steps (\d+), cuts (\d+), all finished$/m.exec(once.out)!;
    expect(Number(steps)).toBeGreaterThan(400);
    expect(died).toBe(steps);
    // With noise in what was in work, and a second cut while it recovers.
    expect(await execute(cuts.path, ['update', '9000', '9', 'torn', 'again'], patience)).toMatchObject({
      status: 0,
      words: '',
    });
    const frozen = await execute(cuts.path, ['freeze', '140000', '401', 'torn'], patience);
    expect(frozen).toMatchObject({ status: 0, words: '' });
    expect(frozen.out).toMatch(/^freeze: steps \d{5}, cuts \d\d, all finished$/m);
    // An image that reaches into the sector of the tag: half a tag costs that sector, and the rest of the image is written again.
    expect(await execute(cuts.path, ['freeze', '450000', '3', 'late'], patience)).toMatchObject({
      status: 0,
      words: '',
    });
  },
);

test.runIf(possible).each(['4', '5 torn', '3 alone', '7 torn alone'])(
  'the power goes while the outbox goes round (every %s): every entry arrives once or is counted as lost',
  async (words) => {
    const ring = await execute(cuts.path, ['ring', ...words.split(' ')], patience);
    expect(ring).toMatchObject({ status: 0, words: '' });
    expect(ring.out).toMatch(/^ring: steps \d+, cuts \d+, all finished$/m);
  },
);

test.runIf(possible)(
  '100,000 frames of every bad kind, under AddressSanitizer and UndefinedBehaviorSanitizer',
  async () => {
    await using fuzz = await buildDevice('host', { program: 'fuzz.c', sanitize: true });
    const runs = await Promise.all([1, 2].map((seed) => execute(fuzz.path, [String(seed), '50000'], patience)));
    for (const { status, words, out } of runs) {
      expect([status, words, out]).toEqual([0, '', expect.stringMatching(/^frames 50000; .* switches [1-9]\d+;/)]);
    }
  },
);

test.runIf(possible)('digests equal those of FIPS 180-4, RFC 4231, zlib and Node', async () => {
  await using digests = await buildDevice('host', { program: 'digests.c' });
  const published: readonly (readonly [string, string])[] = [
    // FIPS 180-4 examples (NIST, "SHA-256"), the empty message, a million times "a".
    ['sha 616263', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      `sha ${hex('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')}`,
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    ['sha -', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [`sha ${hex('a'.repeat(1_000_000))}`, 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
    // RFC 4231, cases 1, 2 and 4 (keys are padded with zeros, as HMAC does).
    [`hmac ${'0b'.repeat(20)} ${hex('Hi There')}`, 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [
      `hmac ${hex('Jefe')} ${hex('what do ya want for nothing?')}`,
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      `hmac 0102030405060708090a0b0c0d0e0f10111213141516171819 ${'cd'.repeat(50)}`,
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ],
    // The check value of CRC-32/ISO-HDLC.
    [`crc ${hex('123456789')}`, 'cbf43926'],
  ];
  const random = createRandom(3);
  const ours = Array.from({ length: 200 }, (_, i): readonly [string, string] => {
    const [bytes, key] = [randomBytes(i < 130 ? i : random.int(130, 5000)), randomBytes(32)];
    const text = bytes.length === 0 ? '-' : bytes.toString('hex');
    if (i % 3 === 0) return [`sha ${text}`, createHash('sha256').update(bytes).digest('hex')];
    if (i % 3 === 1)
      return [`hmac ${key.toString('hex')} ${text}`, createHmac('sha256', key).update(bytes).digest('hex')];
    return [`crc ${text}`, crc32(bytes).toString(16).padStart(8, '0')];
  });
  const all = [...published, ...ours];
  const { stdout } = spawnSync(digests.path, { input: `${all.map(([ask]) => ask).join('\n')}\n`, maxBuffer: 1 << 24 });
  expect(stdout.toString().trim().split('\n')).toEqual(all.map(([, digest]) => digest));
});

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}
