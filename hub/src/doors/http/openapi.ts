// The description of the API in OpenAPI 3.1, made from the routes.
import type { Router } from './router.ts';

/** The OpenAPI document of an application. */
export function describeApi(app: Router, version: string): Record<string, unknown> {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, sdk_…; the first one is in keys/admin.key of the hub’s data folder.',
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'device', {
    type: 'apiKey',
    in: 'header',
    name: 'authorization',
    description: 'Sanderling-Device <device>:<time>:<signature>; see packages/wire/src/device-auth.ts.',
  });
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Sanderling hub',
      version,
      description: 'Data, training, releases, fleet and monitoring of small models on edge devices.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    tags: tags.map(([name, description]) => ({ name, description })),
  });
  return document as unknown as Record<string, unknown>;
}

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
  ['device', 'What agents speak'],
] as const;
