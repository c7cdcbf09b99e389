// The store: the database and the blobs of a hub.
export type { BlobStore } from './blobs.ts';
export { openDatabase, tables, type Database, type Migrations } from './database.ts';
export { DiskBlobs } from './disk-blobs.ts';
export { sqliteDialect } from './sqlite.ts';
