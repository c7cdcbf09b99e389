// Runs a lab: node bench/src/drift/lab.ts [synthetic|recorded] [folder to go on from]
import { runCase } from './cases.ts';

const [which = 'synthetic', folder] = process.argv.slice(2);
runCase(which, which === 'synthetic' ? ['--search'] : [], folder);
