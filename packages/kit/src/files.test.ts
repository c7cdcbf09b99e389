// Atomic files under real kills: a child process rewrites one file without pause and is killed at random moments.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readFileIfPresent, sha256, writeFileAtomic } from './index.ts';

test('kill -9 leaves the file whole: some complete version, never a mixture', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-atomic-'));
  const path = join(folder, 'state.json');
  const writer = join(folder, 'writer.ts');
  await writeFile(
    writer,
    `import { sha256, writeFileAtomic } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
     for (let i = 0; ; i++) { const body = String(i).repeat(20000); await writeFileAtomic(${JSON.stringify(path)}, sha256(body) + body); process.send?.(i); }`,
  );
  for (let round = 0; round < 8; round++) {
    const child = fork(writer, { execArgv: [] });
    await once(child, 'message');
    await delay(Math.random() * 40);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const text = await readFile(path, 'utf8');
    expect(sha256(text.slice(64))).toBe(text.slice(0, 64));
  }
});

test('a failed write keeps the old file, says why, and leaves nothing beside it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-atomic-'));
  await writeFileAtomic(join(folder, 'a'), 'old');
  await expect(writeFileAtomic(join(folder, 'a', 'b'), 'new')).rejects.toThrow(/EEXIST|ENOTDIR|not a directory/);
  expect(await readdir(folder)).toEqual(['a']);
  expect(Buffer.from((await readFileIfPresent(join(folder, 'a')))!).toString()).toBe('old');
  expect(await readFileIfPresent(join(folder, 'none'))).toBeUndefined();
});
