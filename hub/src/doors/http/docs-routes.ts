// The API's description and its page: OpenAPI made from the routes, Swagger UI from the installed package, nothing from the network.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SanderlingError } from '@sanderling/kit';
import { describeApi } from './openapi.ts';
import { createRouter, type Router } from './router.ts';

const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

const startScript = `window.addEventListener('load', () => {
  SwaggerUIBundle({ url: '/openapi.json', dom_id: '#page', deepLinking: true, persistAuthorization: true });
});
`;

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sanderling API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
`;

/** Nothing but what the hub itself serves; Swagger UI writes style attributes and shows its icons as data URLs. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";

/** @param app the whole application, whose routes are described. */
export function docsRoutes(app: Router, version: string): Router {
  const router = createRouter();
  let description: string | undefined;
  router.get('/openapi.json', (c) => {
    description ??= JSON.stringify(describeApi(app, version));
    return c.body(description, 200, { 'content-type': 'application/json' });
  });
  router.get('/docs', (c) => c.html(page, 200, { 'content-security-policy': policy }));
  router.get('/docs/start.js', (c) => c.body(startScript, 200, { 'content-type': 'text/javascript; charset=utf-8' }));
  router.get('/docs/:asset', async (c) => {
    const asset = c.req.param('asset');
    const type = Object.entries(assets).find(([name]) => name === asset)?.[1];
    if (type === undefined) throw new SanderlingError('NOT_FOUND', 'there is no such file');
    const bytes = await readFile(join(swaggerFolder(), asset));
    return c.body(bytes, 200, { 'content-type': type, 'cache-control': 'public, max-age=86400' });
  });
  return router;
}

function swaggerFolder(): string {
  return dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')));
}
