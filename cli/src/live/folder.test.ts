// A loop never empties a folder under another one: data that vanish under a running hub fail its executions much later, with errors that say nothing.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { claimNamedFolder, claimOwnFolder } from './folder.ts';

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'sanderling-claim-'));

test('our own folder is emptied at every start, and not while another start lives in it', async () => {
  const folder = join(newFolder(), 'loop');
  const first = await claimOwnFolder(folder);
  mkdirSync(join(folder, 'hub', 'blobs'), { recursive: true });
  await expect(claimOwnFolder(folder)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(existsSync(join(folder, 'hub', 'blobs'))).toBe(true);
  first[Symbol.dispose]();
  using second = await claimOwnFolder(folder);
  expect(second.path).toBe(folder);
  expect(existsSync(join(folder, 'hub'))).toBe(false);
});

test('a start that was killed lets go; a hub that outlived it does not', async () => {
  const folder = join(newFolder(), 'loop');
  const script = join(newFolder(), 'holder.ts');
  const here = JSON.stringify(join(import.meta.dirname, 'folder.ts'));
  writeFileSync(
    script,
    `import { claimOwnFolder } from ${here}; await claimOwnFolder(${JSON.stringify(folder)}); process.send('held'); setInterval(() => {}, 1000);`,
  );
  const holder = fork(script, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  await once(holder, 'message');
  await expect(claimOwnFolder(folder)).rejects.toMatchObject({ code: 'CONFLICT', message: /npm start/ });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  (await claimOwnFolder(folder))[Symbol.dispose]();
  const { startHub } = await import('@sanderling/hub');
  {
    await using hub = await startHub({ settings: { port: 0, data: join(folder, 'hub') } });
    await expect(claimOwnFolder(folder)).rejects.toMatchObject({ code: 'CONFLICT', message: /a hub still runs/ });
    expect(existsSync(hub.adminKeyPath)).toBe(true);
  }
  (await claimOwnFolder(folder))[Symbol.dispose]();
});

test('what is not ours is never emptied', async () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'thesis.txt'), 'years of work');
  for (const claim of [claimNamedFolder, claimOwnFolder])
    await expect(claim(folder)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(existsSync(join(folder, 'thesis.txt'))).toBe(true);
});
