// The description of the API in OpenAPI 3.1, made from the routes; what `packages/wire` names is named once and referred to.
import { OpenAPIHono } from '@hono/zod-openapi';
import { canonicalJson } from '@sanderling/kit';
import * as wire from '@sanderling/wire';
import type { z } from 'zod';
import { json, type Router } from './router.ts';

/** Resources by their names in the description, each after those that it is made of. */
const resources = {
  Error: wire.errorAnswer,
  ProjectSpec: wire.projectSpec,
  Project: wire.project,
  Reading: wire.reading,
  StoredReading: wire.storedReading,
  IngestAnswer: wire.ingestAnswer,
  Finding: wire.finding,
  Quality: wire.quality,
  Dataset: wire.dataset,
  Execution: wire.execution,
  ExecutionLog: wire.executionLog,
  Experiment: wire.experiment,
  Run: wire.run,
  MetricPoint: wire.metricPoint,
  Artifact: wire.artifact,
  GateResult: wire.gateResult,
  ModelVersion: wire.modelVersion,
  Release: wire.release,
  Rollout: wire.rollout,
  Device: wire.device,
  EnrolmentToken: wire.enrolmentToken,
  MonitoringPoint: wire.monitoringPoint,
  Event: wire.event,
  Forecast: wire.forecast,
  ApiKey: wire.apiKey,
  CreatedApiKey: wire.createdApiKey,
} as const satisfies Record<string, z.ZodType>;

const tags = [
  ['hub', 'The hub itself'],
  ['access', 'API keys'],
  ['projects', 'What users wrote'],
  ['data', 'Readings and immutable dataset versions'],
  ['pipelines', 'Training and what follows it'],
  ['tracking', 'Experiments and runs'],
  ['models', 'Versions, gates and forecasts'],
  ['releases', 'Signed bundles and roll-outs'],
  ['fleet', 'Devices and enrolment'],
  ['monitoring', 'What devices report'],
  ['events', 'What happened'],
  ['storage', 'Removing stored blobs that nothing names'],
  ['device', 'What agents speak'],
] as const;

const securitySchemes = {
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, sdk_…; the first one is in keys/admin.key of the hub’s data folder.',
  },
  device: {
    type: 'apiKey',
    in: 'header',
    name: 'authorization',
    description:
      'For agents, which sign every request: `Sanderling-Device DEVICE:TIME:SIGNATURE` (packages/wire/src/device-auth.ts).',
  },
} as const;

/** What a newcomer reads first; CommonMark. */
const introduction = `Data, training, releases, fleet and monitoring of small models on edge devices.

To begin: **Authorize** with an API key (the first one is the text of \`keys/admin.key\` in the hub’s data folder), open a route, **Try it out**.
Every route of \`/api\` needs a key, with the scope that it says; agents sign theirs. The command line does the same: \`sanderling --help\`.`;

type Json = Readonly<Record<string, unknown>>;

/** The OpenAPI document of an application. */
export function describeApi(app: Router, version: string): Json {
  const { paths } = documentOf(app, version);
  const names = new Map<string, string>();
  const schemas: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(schemasOf(resources))) {
    const referring = refer(schema, names);
    schemas[name] = referring;
    names.set(canonicalJson(referring), name);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sanderling hub',
      version,
      description: introduction,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    tags: tags.map(([name, description]) => ({ name, description })),
    paths: refer(paths, names),
    components: { schemas, securitySchemes },
  };
}

/** Each schema as the generator writes it, taken from an application with one route for each. */
function schemasOf(named: Readonly<Record<string, z.ZodType>>): Readonly<Record<string, unknown>> {
  const app = new OpenAPIHono();
  for (const [name, schema] of Object.entries(named))
    app.openAPIRegistry.registerPath({ method: 'get', path: `/${name}`, responses: { 200: json(schema, name) } });
  const { paths } = documentOf(app, '0') as { paths: Record<string, { get: { responses: { 200: AnswerBody } } }> };
  return Object.fromEntries(
    Object.keys(named).map((name) => [name, paths[`/${name}`]!.get.responses[200].content['application/json'].schema]),
  );
}

interface AnswerBody {
  readonly content: { readonly 'application/json': { readonly schema: unknown } };
}

function documentOf(app: Pick<OpenAPIHono, 'getOpenAPI31Document'>, version: string): { readonly paths?: unknown } {
  return app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version } });
}

/** The same JSON with every part that has a name replaced by a reference, innermost first. */
function refer(node: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(node)) return node.map((item) => refer(item, names));
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node as Json).filter(([, value]) => value !== undefined);
  const inner = Object.fromEntries(entries.map(([key, value]) => [key, refer(value, names)]));
  const name = names.get(canonicalJson(inner));
  return name === undefined ? inner : { $ref: `#/components/schemas/${name}` };
}
