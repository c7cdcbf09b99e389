// Which room may use which: the dependency direction of ARCHITECTURE.md as a table that boundaries.ts enforces.

/** Every workspace folder and the workspaces that it may import. */
export const mayImport = {
  'packages/kit': [],
  'packages/wire': ['packages/kit'],
  'packages/onnx': ['packages/kit'],
  'packages/series': ['packages/kit'],
  'packages/search': ['packages/kit'],
  'packages/metrics': ['packages/kit'],
  'packages/drift': ['packages/kit', 'packages/onnx'],
  'packages/train': ['packages/kit', 'packages/onnx'],
  hub: [
    'packages/kit',
    'packages/wire',
    'packages/onnx',
    'packages/train',
    'packages/series',
    'packages/search',
    'packages/metrics',
    'packages/drift',
  ],
  agent: ['packages/kit', 'packages/wire', 'packages/onnx', 'packages/series', 'packages/drift'],
  cli: [
    'packages/kit',
    'packages/wire',
    'packages/onnx',
    'packages/series',
    'packages/search',
    'packages/metrics',
    'packages/drift',
    'packages/train',
    'hub',
    'agent',
  ],
  'projects/temperature': ['packages/kit', 'packages/wire', 'packages/series', 'cli'],
  bench: [
    'packages/kit',
    'packages/wire',
    'packages/onnx',
    'packages/train',
    'packages/series',
    'packages/search',
    'packages/metrics',
    'packages/drift',
    'hub',
    'agent',
    'cli',
    'projects/temperature',
  ],
  e2e: [
    'packages/kit',
    'packages/wire',
    'packages/onnx',
    'packages/series',
    'hub',
    'agent',
    'cli',
    'projects/temperature',
  ],
} as const satisfies Record<string, readonly string[]>;

/** File names that say nothing about what is inside. */
export const emptyNames = ['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'shared', 'stuff', 'manager'];
