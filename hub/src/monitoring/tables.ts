// Tables of the monitoring: what devices report of their models' work and of themselves.
import type { Generated } from 'kysely';
import type { Migrations } from '../store/index.ts';

export type MonitoringTables = {
  report: {
    id: Generated<number>;
    project: string;
    device: string;
    /** Of the newest reading that the report knows. */
    time: number;
    /** Hour of its arrival, hours since 1970: what thinning goes by. */
    hour: number;
    release: string;
    rolling_error: number | null;
    drift_score: number;
    latency_p50: number;
    latency_p99: number;
    predictions: number;
    health: string;
  };
  /** The newest report of each device, whole. */
  newest_report: { device: string; report: string };
};

export const migrations: Migrations = {
  '2026-11-21-monitoring-1': {
    async up(db) {
      await db.schema
        .createTable('report')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('device', 'text', (column) => column.notNull())
        .addColumn('time', 'bigint', (column) => column.notNull())
        .addColumn('hour', 'integer', (column) => column.notNull())
        .addColumn('release', 'text', (column) => column.notNull())
        .addColumn('rolling_error', 'double precision')
        .addColumn('drift_score', 'double precision', (column) => column.notNull())
        .addColumn('latency_p50', 'double precision', (column) => column.notNull())
        .addColumn('latency_p99', 'double precision', (column) => column.notNull())
        .addColumn('predictions', 'bigint', (column) => column.notNull())
        .addColumn('health', 'text', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('report_time').on('report').columns(['project', 'time', 'id']).execute();
      await db.schema.createIndex('report_hour').on('report').columns(['hour', 'device']).execute();
      await db.schema
        .createTable('newest_report')
        .addColumn('device', 'text', (column) => column.primaryKey())
        .addColumn('report', 'text', (column) => column.notNull())
        .execute();
    },
  },
};
