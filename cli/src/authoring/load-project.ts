// Reads a project folder: imports its sanderling.config.ts and checks what it exports.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SanderlingError } from '@sanderling/kit';
import { parseProject, type ProjectSpec } from '@sanderling/wire';

const names = ['sanderling.config.ts', 'sanderling.config.js', 'sanderling.config.mjs'];

/**
 * The project in a folder, or in a config file named directly.
 * @throws NOT_FOUND when there is no config, INVALID_CONFIG with the wrong field's path, or what the file's own code threw.
 */
export async function loadProject(folderOrFile: string): Promise<ProjectSpec> {
  const file = findConfig(resolve(folderOrFile));
  const module = await importConfig(file);
  if (!('default' in module))
    throw new SanderlingError('INVALID_CONFIG', `${file} has no default export`, {
      where: file,
      fix: 'write: export default defineProject({ … })',
    });
  return parseProject(module['default']);
}

function findConfig(path: string): string {
  if (/\.[cm]?[jt]s$/.test(path) && existsSync(path)) return path;
  const found = names.map((name) => join(path, name)).find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new SanderlingError('NOT_FOUND', `there is no sanderling.config.ts in ${path}`, {
    where: path,
    fix: 'run this in a project folder, or name the folder',
  });
}

async function importConfig(file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SanderlingError) throw error;
    throw new SanderlingError(
      'INVALID_CONFIG',
      `${file} cannot be loaded: ${error instanceof Error ? error.message : 'unknown cause'}`,
      { where: file, cause: error },
    );
  }
}
