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

/**
 * On a phone the groups begin folded: they are the table of contents. The dialog for keys has one field, for API keys: nobody signs a device's requests by hand,
 * and the cursor would stand in the field for it.
 */
const startScript = `const forPeople = () => ({
  statePlugins: {
    auth: {
      wrapSelectors: {
        definitionsToAuthorize: (original) => (...state) => original(...state)?.filter((one) => !one.has('device')),
      },
    },
  },
});
window.addEventListener('load', () => {
  const isNarrow = matchMedia('(max-width: 768px)').matches;
  SwaggerUIBundle({
    url: '/openapi.json',
    dom_id: '#page',
    deepLinking: true,
    filter: true,
    showExtensions: true,
    docExpansion: isNarrow ? 'none' : 'list',
    plugins: [forPeople],
  });
});
`;

/** No route has links: their column would take a quarter of a phone. */
const pageStyle = `body { margin: 0; }
.swagger-ui .info { margin: 24px 0 12px; }
.swagger-ui .scheme-container { margin: 0; padding: 12px 0; box-shadow: none; }
.swagger-ui .filter input.operation-filter-input[type='text'] { max-width: none; margin: 8px 0; }
.swagger-ui .auth-container input[type='text'] { width: 100%; max-width: none; }
.swagger-ui .response-col_links { display: none; }
@media (max-width: 768px) {
  .swagger-ui .info .title { font-size: 28px; }
  .swagger-ui .opblock-tag { flex-wrap: wrap; font-size: 20px; }
  .swagger-ui table.responses-table { padding: 0 8px; }
  .swagger-ui .response-col_status { min-width: 3.5em; width: 3.5em; }
}
`;

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sanderling API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/page.css">
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
  // Somebody who types the hub's address into a browser wants to see something; programs get the usual answer.
  router.get('/', (c) => {
    if (c.req.header('accept')?.includes('text/html') === true) return c.redirect('/docs');
    return c.notFound();
  });
  router.get('/docs', (c) => c.html(page, 200, { 'content-security-policy': policy }));
  router.get('/docs/start.js', (c) => c.body(startScript, 200, { 'content-type': 'text/javascript; charset=utf-8' }));
  router.get('/docs/page.css', (c) => c.body(pageStyle, 200, { 'content-type': 'text/css; charset=utf-8' }));
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
