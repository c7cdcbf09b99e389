// Runs the lab: node bench/src/drift/lab.ts [synthetic|recorded] [folder to go on from]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { labHtml, labMarkdown, labReport, runLab } from '@sanderling/drift';
import { recorded, synthetic } from './lab-configs.ts';

const which = process.argv[2] ?? 'synthetic';
const folder = process.argv[3];
const shared = process.env['SANDERLING_SHARED'] ?? resolve('../shared');
const config = which === 'recorded' ? recorded(join(shared, 'tools', 'data')) : synthetic;
const results = await runLab(config, {
  ...(folder === undefined ? {} : { folder }),
  onProgress: ({ done, total }) => {
    if (done % 20 === 0) console.error(`${done}/${total}`);
  },
});
const report = labReport(results);
const text = labMarkdown(report, `Drift lab: ${which}\n\n\`node bench/src/drift/lab.ts ${which}\``);
console.log(text);
mkdirSync('bench/results', { recursive: true });
writeFileSync(`bench/results/drift-lab-${which}.md`, text);
if (folder !== undefined) {
  writeFileSync(join(folder, 'report.json'), JSON.stringify(report));
  writeFileSync(join(folder, 'report.html'), labHtml(report, `Drift lab: ${which}`));
}
