// The store: the database and the blobs of a hub.
export type { BlobStore } from './blobs.ts';
export { openDatabase, tables, type Database, type Migrations } from './database.ts';
export { WriteAheadLog, type Durable } from './durability.ts';
export { DiskBlobs } from './disk-blobs.ts';
export { defaultPageItems, toPage, type Page, type PageQuery } from './page.ts';
export { sqliteDialect } from './sqlite.ts';
