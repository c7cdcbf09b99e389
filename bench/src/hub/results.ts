// A table of results: printed, and kept in bench/results.
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';

/** A table with its title and a note on how it was measured. */
export interface ResultTable {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** Prints the table and writes `bench/results/<name>.md`. */
export async function publish({ name, title, note, header, rows }: ResultTable): Promise<void> {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |\n`;
  const table = line(header) + line(header.map(() => '---')) + rows.map(line).join('');
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)} at the end`;
  const text = `# ${title}\n\n${note}\n\n${table}\n${machine}. Run again: \`node bench/src/hub/${name.slice('hub-'.length)}.ts\`\n`;
  process.stdout.write(text);
  const folder = join(import.meta.dirname, '..', '..', 'results');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.md`), text);
}
