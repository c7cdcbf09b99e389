// Tables of releases and roll-outs.
import type { Migrations } from '../store/index.ts';

export type ReleaseTables = {
  release: {
    digest: string;
    project: string;
    version: number;
    target: string;
    sequence: number;
    size_bytes: number;
    /** The bundle in the blob store. */
    bundle: string;
    created_at: number;
    /** What the model images in it call the release; null when it has none. */
    image: string | null;
    /** JSON: what it costs on a microcontroller; null for other targets. */
    cost: string | null;
  };
  /** What devices of a project and target run unless a roll-out says otherwise. */
  current_release: { project: string; target: string; digest: string };
  rollout: {
    id: string;
    project: string;
    version: number;
    /** JSON: target → digest. */
    releases: string;
    state: string;
    reason: string | null;
    wave: number;
    /** JSON: percents, ascending. */
    waves: string;
    abort_after: number;
    stall_after_ms: number;
    execution: string | null;
    created_at: number;
    ended_at: number | null;
  };
  rollout_device: {
    rollout: string;
    device: string;
    name: string;
    position: number;
    wave: number;
    release: string;
    previous: string | null;
    state: string;
    reason: string | null;
    offered_at: number | null;
    updated_at: number;
  };
};

export const migrations: Migrations = {
  '2026-11-21-releases-1': {
    async up(db) {
      await db.schema
        .createTable('release')
        .addColumn('digest', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('target', 'text', (column) => column.notNull())
        .addColumn('sequence', 'integer', (column) => column.notNull())
        .addColumn('size_bytes', 'bigint', (column) => column.notNull())
        .addColumn('bundle', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addUniqueConstraint('release_target', ['project', 'version', 'target'])
        .addUniqueConstraint('release_sequence', ['project', 'sequence'])
        .execute();
      await db.schema
        .createTable('current_release')
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('target', 'text', (column) => column.notNull())
        .addColumn('digest', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('current_release_key', ['project', 'target'])
        .execute();
      await db.schema
        .createTable('rollout')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('releases', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('reason', 'text')
        .addColumn('wave', 'integer', (column) => column.notNull())
        .addColumn('waves', 'text', (column) => column.notNull())
        .addColumn('abort_after', 'integer', (column) => column.notNull())
        .addColumn('stall_after_ms', 'bigint', (column) => column.notNull())
        .addColumn('execution', 'text', (column) => column.unique())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('ended_at', 'bigint')
        .execute();
      await db.schema.createIndex('rollout_project').on('rollout').columns(['project', 'id']).execute();
      await db.schema
        .createTable('rollout_device')
        .addColumn('rollout', 'text', (column) => column.notNull().references('rollout.id'))
        .addColumn('device', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('position', 'integer', (column) => column.notNull())
        .addColumn('wave', 'integer', (column) => column.notNull())
        .addColumn('release', 'text', (column) => column.notNull())
        .addColumn('previous', 'text')
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('reason', 'text')
        .addColumn('offered_at', 'bigint')
        .addColumn('updated_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('rollout_device_key', ['rollout', 'device'])
        .execute();
      await db.schema.createIndex('rollout_device_device').on('rollout_device').columns(['device']).execute();
    },
  },
  '2026-11-29-releases-2': {
    async up(db) {
      await db.schema.alterTable('release').addColumn('image', 'text').execute();
      await db.schema.alterTable('release').addColumn('cost', 'text').execute();
      await db.schema.createIndex('release_image').on('release').columns(['image']).execute();
    },
  },
};
