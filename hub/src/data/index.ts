// Data: readings, how they come in, and the immutable versions that models learn from.
export { Data, type ProjectSource, type ReadingQuery, type Span } from './data.ts';
export type { Columns, DatasetQuery } from './datasets.ts';
export type { FormatOptions, ImportFormat } from './formats.ts';
export type { ImportRequest } from './imports.ts';
export type { Measurement } from './parts.ts';
export { migrations as dataMigrations } from './tables.ts';
export type { Place } from './walk.ts';
