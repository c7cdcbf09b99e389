// Writes OPERATORS.md anew. Run: node packages/micro/src/write-operators.ts
import { writeFileAtomic } from '@sanderling/kit';
import { fileURLToPath } from 'node:url';
import { compatibilityPage } from './compatibility.ts';

await writeFileAtomic(fileURLToPath(new URL('../OPERATORS.md', import.meta.url)), compatibilityPage());
