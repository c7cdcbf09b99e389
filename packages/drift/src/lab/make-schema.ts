// Writes the schema of the lab's config file for editors: node packages/drift/src/lab/make-schema.ts
import { writeFileSync } from 'node:fs';
import { editorSchema } from './editor-schema.ts';
import { labSchema } from './lab-schema.ts';

const path = new URL('../../lab/schema.json', import.meta.url);
writeFileSync(path, `${JSON.stringify(editorSchema(labSchema), undefined, 2)}\n`);
