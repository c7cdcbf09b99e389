// Loaded before a program under test (`node --import`): notes everything that the program has asked the disk to keep, as facts that a power cut leaves standing.
// A synchronised file keeps its bytes; a synchronised folder keeps the names in it. Files and folders are told apart by inode, so that renames do not matter.
import { appendFileSync } from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';

/** What a synchronisation made sure of. */
export type Fact = { readonly program: string } & (
  | { readonly file: number; readonly size: number }
  | { readonly folder: number; readonly names: Readonly<Record<string, number>> }
);

const program = basename(process.argv[1] ?? '');
const journal = process.env['SANDERLING_TEST_JOURNAL'];

if (journal !== undefined) {
  const open = fs.open;
  fs.open = async (...args) => {
    const handle = await open(...args);
    for (const method of ['sync', 'datasync'] as const) {
      const real = handle[method].bind(handle);
      handle[method] = async () => {
        // What is there before the disk is asked: of what comes meanwhile nothing is known.
        const fact = await look(handle, String(args[0]));
        await real();
        appendFileSync(journal, `${JSON.stringify(fact)}\n`);
      };
    }
    return handle;
  };
  syncBuiltinESMExports();
}

async function look(handle: FileHandle, path: string): Promise<Fact> {
  const seen = await handle.stat();
  if (!seen.isDirectory()) return { program, file: seen.ino, size: seen.size };
  const names: Record<string, number> = {};
  for (const name of await fs.readdir(path)) {
    const inside = await fs.lstat(join(path, name)).catch(() => undefined);
    if (inside !== undefined) names[name] = inside.ino;
  }
  return { program, folder: seen.ino, names };
}
