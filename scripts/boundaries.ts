// Checks the walls of the house: dependency direction, declared dependencies, one door a room, doors above capabilities, honest file names.
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, normalize, relative, resolve } from 'node:path';
import { execFileSync } from 'node:child_process';
import { emptyNames, mayImport } from './rooms.ts';

/** What is wrong with one import or file; empty when all is well. */
export type Complaint = string;

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Room = keyof typeof mayImport;
const rooms = Object.keys(mayImport) as Room[];
const builtins = new Set(builtinModules);
const importPattern =
  /(?:^|[\s;])(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

/** Every complaint about the tree at `root`. */
export function checkBoundaries(root: string): Complaint[] {
  const manifests = new Map(rooms.map((room) => [room, readManifest(root, room)]));
  const rootManifest = readManifest(root, '.');
  const files = sourceFiles(root);
  const walls: Walls = {
    byName: new Map(rooms.map((room) => [manifests.get(room)!.name, room])),
    manifests,
    rootManifest,
  };
  return files.flatMap((file) => [...checkName(file), ...checkImports(root, file, walls)]);
}

interface Walls {
  readonly byName: ReadonlyMap<string, Room>;
  readonly manifests: ReadonlyMap<Room, Manifest>;
  readonly rootManifest: Manifest;
}

function readManifest(root: string, folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
}

function sourceFiles(root: string): string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx', '*.js'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  const deleted = new Set(execFileSync('git', ['ls-files', '--deleted'], { cwd: root, encoding: 'utf8' }).split('\n'));
  return listed.split('\n').filter((file) => file !== '' && !deleted.has(file) && !file.includes('/gen/'));
}

function checkName(file: string): Complaint[] {
  const name = basename(file).replace(/(\.test|\.suite)?\.[jt]sx?$/, '');
  if (emptyNames.includes(name)) return [`${file}: the name "${name}" says nothing about what is inside`];
  return /^[a-z0-9][a-z0-9.-]*$/.test(name) ? [] : [`${file}: file names are kebab-case`];
}

function checkImports(root: string, file: string, walls: Walls): Complaint[] {
  const room = rooms.find((candidate) => file.startsWith(`${candidate}/`));
  if (room === undefined) return [];
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(importPattern)]
    .map((match) => match[1] ?? match[2]!)
    .flatMap((specifier) =>
      specifier.startsWith('.') ? checkRelative(root, file, specifier) : checkPackage(room, file, { specifier, walls }),
    )
    .map((complaint) => `${file}: ${complaint}`);
}

function checkRelative(root: string, file: string, specifier: string): Complaint[] {
  const target = relative(root, resolve(root, dirname(file), specifier));
  const from = rooms.find((room) => file.startsWith(`${room}/`));
  const to = rooms.find((room) => target.startsWith(`${room}/`));
  if (from !== to) return [`${specifier} leaves the room; import the package by its name`];
  return from === 'hub' ? checkCapability(file, target, specifier) : [];
}

/** Inside the hub: capabilities meet at each other's index.ts, and never import a door. */
function checkCapability(file: string, target: string, specifier: string): Complaint[] {
  const [own, other] = [capability(file), capability(target)];
  if (own === undefined || other === undefined || own === other) return [];
  if (own !== 'doors' && other === 'doors') return [`${specifier}: capabilities do not import doors`];
  const isDoor = normalize(target) === `hub/src/${other}/index.ts`;
  const isTest = /\.(test|suite)\.ts$/.test(file);
  return isDoor || isTest ? [] : [`${specifier} reaches past the door of ${other}`];
}

function capability(file: string): string | undefined {
  return /^hub\/src\/([^/]+)\//.exec(file)?.[1];
}

function checkPackage(
  room: Room,
  file: string,
  { specifier, walls }: { readonly specifier: string; readonly walls: Walls },
): Complaint[] {
  if (specifier.startsWith('node:')) return [];
  if (builtins.has(specifier)) return [`write node:${specifier}`];
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const manifest = walls.manifests.get(room)!;
  const target = walls.byName.get(name);
  if (target !== undefined && target !== room && !(mayImport[room] as readonly string[]).includes(target))
    return [`${room} may not import ${target}`];
  if (target !== undefined && !(`.${specifier.slice(name.length)}` in (walls.manifests.get(target)!.exports ?? {})))
    return [`${specifier} is no door of ${target}`];
  if (isDeclared(name, file, { manifest, rootManifest: walls.rootManifest })) return [];
  return name === manifest.name ? [] : [`${name} is not a dependency of ${room}`];
}

function isDeclared(
  name: string,
  file: string,
  { manifest, rootManifest }: { readonly manifest: Manifest; readonly rootManifest: Manifest },
): boolean {
  const runtime = { ...manifest.dependencies, ...manifest.optionalDependencies };
  const development = { ...manifest.devDependencies, ...rootManifest.devDependencies };
  return (
    name in runtime ||
    (name in development && /(\.test|\.suite|\.config|^[^/]*\/?bench\/.*)\.ts$|^(bench|e2e)\//.test(file))
  );
}

if (import.meta.main) {
  const complaints = checkBoundaries(join(import.meta.dirname, '..'));
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}
