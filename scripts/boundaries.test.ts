// The walls hold here, and a planted breach is found.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkBoundaries } from './boundaries.ts';
import { mayImport } from './rooms.ts';

const root = join(import.meta.dirname, '..');

test('the house keeps to its walls', () => {
  expect(checkBoundaries(root)).toEqual([]);
});

test.each([
  ['packages/kit/src/a.ts', "import { x } from '@sanderling/wire';", 'packages/kit may not import packages/wire'],
  ['agent/src/a.ts', "import { x } from '@sanderling/hub';", 'agent may not import hub'],
  ['hub/src/data/a.ts', "import { x } from '../fleet/tables.ts';", 'reaches past the door of fleet'],
  ['hub/src/data/a.ts', "import { x } from '../doors/index.ts';", 'capabilities do not import doors'],
  ['hub/src/data/a.ts', "const x = await import('@sanderling/wire/src/api.ts');", 'is no door of packages/wire'],
  ['packages/wire/src/a.ts', "export { x } from '../../kit/src/index.ts';", 'leaves the room'],
  ['packages/wire/src/a.ts', "import x from 'left-pad';", 'left-pad is not a dependency'],
  ['packages/wire/src/a.ts', "import { join } from 'path';", 'write node:path'],
  ['packages/wire/src/utils.ts', '', 'says nothing'],
  ['packages/wire/src/someThing.ts', '', 'kebab-case'],
])('%s: %s', (file, text, complaint) => {
  const copy = mkdtempSync(join(tmpdir(), 'sanderling-walls-'));
  for (const folder of ['.', ...Object.keys(mayImport)])
    cpSync(join(root, folder, 'package.json'), join(copy, folder, 'package.json'));
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  writeFileSync(join(copy, file), text);
  execFileSync('git', ['init', '-q'], { cwd: copy });
  expect(checkBoundaries(copy).join('\n')).toContain(complaint);
});
