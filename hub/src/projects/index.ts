// Projects: what users wrote, checked and kept.
export { Projects, type ProjectQuery } from './projects.ts';
export { migrations as projectMigrations } from './tables.ts';
