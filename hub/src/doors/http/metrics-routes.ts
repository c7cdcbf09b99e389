// The hub and its fleet as Prometheus metrics (text exposition format 0.0.4). Each metric is a row of a table.
import { createRoute } from '@hono/zod-openapi';
import type { Device, Project } from '@sanderling/wire';
import { z } from 'zod';
import type { Span } from '../../data/index.ts';
import { createRouter, errorResponses, needs, type Router } from './router.ts';

/** What the metrics are taken from. */
export interface MetricSources {
  readonly projects: { list(): Promise<readonly Project[]> };
  readonly data: { span(project: string): Promise<Span> };
  readonly fleet: { devices(): Promise<readonly Device[]> };
  readonly events: { newest(): Promise<number> };
}

interface Facts {
  readonly spans: readonly { readonly project: string; readonly span: Span }[];
  readonly devices: readonly Device[];
  readonly events: number;
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Metric {
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: (facts: Facts) => readonly Sample[];
}

const reported = (device: Device, field: string): number => Number(device.report?.[field] ?? Number.NaN);
const perDevice = (of: (device: Device) => number) => (facts: Facts) =>
  facts.devices
    .map((device) => ({ labels: { project: device.project, device: device.name }, value: of(device) }))
    .filter((sample) => Number.isFinite(sample.value));
const health = (device: Device, field: string): number =>
  Number((device.report?.['health'] as Record<string, unknown> | undefined)?.[field] ?? Number.NaN);

const metrics = {
  sanderling_readings: {
    type: 'gauge',
    help: 'Readings stored.',
    samples: ({ spans }) => spans.map(({ project, span }) => ({ labels: { project }, value: span.count })),
  },
  sanderling_newest_reading_seconds: {
    type: 'gauge',
    help: 'Time of the newest reading, seconds since 1970.',
    samples: ({ spans }) =>
      spans
        .filter(({ span }) => span.lastTime !== null)
        .map(({ project, span }) => ({ labels: { project }, value: span.lastTime! / 1000 })),
  },
  sanderling_device_online: {
    type: 'gauge',
    help: 'Whether the device was heard of lately.',
    samples: perDevice((device) => (device.online ? 1 : 0)),
  },
  sanderling_device_up_to_date: {
    type: 'gauge',
    help: 'Whether the device runs the release that it should.',
    samples: perDevice((device) => (device.active === device.desired ? 1 : 0)),
  },
  sanderling_device_drift_score: {
    type: 'gauge',
    help: 'Drift score of the newest report; 0.7 alerts.',
    samples: perDevice((device) => reported(device, 'driftScore')),
  },
  sanderling_device_rolling_error: {
    type: 'gauge',
    help: 'Rolling mean absolute error of the newest report, in the unit of the data.',
    samples: perDevice((device) => reported(device, 'rollingError')),
  },
  sanderling_device_outbox_entries: {
    type: 'gauge',
    help: 'Entries that waited on the device at its newest report.',
    samples: perDevice((device) => health(device, 'outboxEntries')),
  },
  sanderling_events_total: {
    type: 'counter',
    help: 'Events that ever happened.',
    samples: ({ events }) => [{ value: events }],
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident memory of the hub.',
    samples: () => [{ value: process.memoryUsage.rss() }],
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of the hub.',
    samples: () => [{ value: cpuSeconds() }],
  },
} as const satisfies Record<string, Metric>;

const route = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/metrics',
  operationId: 'getMetrics',
  summary: 'The hub and its fleet as Prometheus metrics',
  tags: ['monitoring'],
  responses: {
    200: { content: { 'text/plain': { schema: z.string() } }, description: 'Text exposition format 0.0.4' },
    ...errorResponses,
  },
});

export function metricsRoutes({ projects, data, fleet, events }: MetricSources): Router {
  const router = createRouter();
  router.openapi(route, async (c) => {
    const names = (await projects.list()).map(({ name }) => name);
    const spans: { project: string; span: Span }[] = [];
    for (const project of names) spans.push({ project, span: await data.span(project) });
    const facts = { spans, devices: await fleet.devices(), events: await events.newest() };
    return c.text(exposition(facts), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
  return router;
}

function exposition(facts: Facts): string {
  return Object.entries<Metric>(metrics)
    .map(([name, { type, help, samples }]) => {
      const lines = samples(facts).map((sample) => `${name}${labelText(sample.labels)} ${sample.value}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}

function labelText(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
