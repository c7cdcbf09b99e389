// The HTTP door put together: what holds for every request, then each capability's routes.
import { hubTimeHeader } from '@sanderling/wire';
import type { MiddlewareHandler } from 'hono';
import { FailedAttempts } from '../../access/index.ts';
import type { Capabilities } from '../../capabilities.ts';
import type { HubSettings } from '../../settings.ts';
import { agentRoutes } from './agent-routes.ts';
import { authenticate } from './authentication.ts';
import { limitBodies, type BodyLimitOf } from './body-limit.ts';
import { datasetsRoutes } from './datasets-routes.ts';
import { devicesRoutes } from './devices-routes.ts';
import { docsRoutes } from './docs-routes.ts';
import type { HubEnv } from './environment.ts';
import type { FailureLog } from './error-answers.ts';
import { eventsRoutes } from './events-routes.ts';
import { healthRoutes } from './health-routes.ts';
import { keysRoutes } from './keys-routes.ts';
import { metricsRoutes } from './metrics-routes.ts';
import { modelsRoutes } from './models-routes.ts';
import { monitoringRoutes } from './monitoring-routes.ts';
import { pipelinesRoutes } from './pipelines-routes.ts';
import { projectsRoutes } from './projects-routes.ts';
import { readingsRoutes } from './readings-routes.ts';
import { releasesRoutes } from './releases-routes.ts';
import { createRouter, type Router } from './router.ts';
import { storageRoutes } from './storage-routes.ts';
import { trackingRoutes } from './tracking-routes.ts';

/** What the door needs beside the capabilities. */
export interface DoorOptions {
  readonly version: string;
  readonly settings: HubSettings;
  /** Aborts when the hub stops: requests that wait end then. */
  readonly stopping: AbortSignal;
  /** Where unexpected failures are told. */
  readonly tell: FailureLog;
}

const megabyte = 1 << 20;

/** The application that answers every request. */
export function createApp(capabilities: Capabilities, options: DoorOptions): Router {
  const app = createRouter();
  const attempts = new FailedAttempts(capabilities.clock, { burst: options.settings.limits.failedAttempts });
  app.use('*', everyAnswer(capabilities, options.tell));
  app.use('*', limitBodies(bodyLimits(options.settings)));
  for (const path of ['/api/*', '/metrics']) app.use(path, authenticate(capabilities.keys, attempts));
  app.route(
    '/',
    healthRoutes(options.version, async () => void (await capabilities.events.newest())),
  );
  for (const routes of apiRoutes(capabilities, options)) app.route('/', routes);
  app.route(
    '/',
    agentRoutes({ fleet: capabilities.fleet, releases: capabilities.releases, attempts, stopping: options.stopping }),
  );
  app.route('/', docsRoutes(app, options.version));
  return app;
}

/** The routes of each capability. One line each. */
function apiRoutes(capabilities: Capabilities, { settings, stopping }: DoorOptions): readonly Router[] {
  const { limits } = settings;
  return [
    keysRoutes(capabilities.keys),
    projectsRoutes(capabilities.projects),
    readingsRoutes({
      ...capabilities,
      maxUploadBytes: limits.uploadMb * megabyte,
      maxJsonBytes: limits.bodyMb * megabyte,
    }),
    datasetsRoutes(capabilities.data),
    pipelinesRoutes(capabilities),
    trackingRoutes(capabilities.tracking, capabilities.projects),
    modelsRoutes(capabilities),
    releasesRoutes(capabilities),
    devicesRoutes(capabilities.fleet),
    monitoringRoutes(capabilities.monitoring, capabilities.projects),
    metricsRoutes(capabilities),
    storageRoutes(capabilities.retention),
    eventsRoutes({ events: capabilities.events, maxStreams: limits.eventStreams, stopping }),
  ];
}

/** Uploads of readings count for themselves; deliveries of a device's backlog are larger than the rest. */
function bodyLimits({ limits }: HubSettings): BodyLimitOf {
  return (method, path) => {
    if (method === 'POST' && /^\/api\/v1\/projects\/[^/]+\/readings$/.test(path)) return Number.POSITIVE_INFINITY;
    return (path === '/agent/v1/deliver' ? Math.max(limits.bodyMb, deliverMb) : limits.bodyMb) * megabyte;
  };
}

/** Megabytes of a delivery. */
const deliverMb = 8;

function everyAnswer(capabilities: Capabilities, tell: FailureLog): MiddlewareHandler<HubEnv> {
  return async (c, next) => {
    c.set('tell', tell);
    await next();
    if (acknowledges(c.req.method, c.req.path)) await capabilities.durable.sync();
    c.header(hubTimeHeader, String(capabilities.clock.now()));
    c.header('x-content-type-options', 'nosniff');
    if (c.res.headers.get('cache-control') === null) c.header('cache-control', 'no-store');
  };
}

/** Whether an answer tells somebody of a change: then the change must be on the disk first. Devices act on every answer. */
function acknowledges(method: string, path: string): boolean {
  return (method !== 'GET' && method !== 'HEAD') || path.startsWith('/agent/');
}
