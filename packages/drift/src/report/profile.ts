// The profile of a table: what a drift report needs to know of its columns, small, mergeable, plain JSON. Only profiles leave a device.
import { SanderlingError } from '@sanderling/kit';
import { MemoryReader } from '../detector.ts';
import { shown } from '../options.ts';
import { defaultSketchSize, QuantileSketch, type QuantileSketchState } from './quantile-sketch.ts';

/** A cell: a number, a category, or missing (null, undefined, NaN). */
export type Cell = number | string | boolean | null | undefined;

export const columnTypes = ['numeric', 'categorical'] as const;
export type ColumnType = (typeof columnTypes)[number];

/** A column and its type. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** One column as plain JSON. */
export interface ColumnState extends Column {
  readonly n: number;
  readonly missing: number;
  /** Counts of categories, or of a numeric column's values while they are few; null: too many to count. */
  readonly counts: readonly (readonly [string, number])[] | null;
  /** Samples in categories that are not counted one by one. */
  readonly other: number;
  readonly mean: number;
  /** Sum of squared deviations from the mean. */
  readonly squares: number;
  readonly sketch: QuantileSketchState | null;
}

/** A profile as plain JSON. */
export interface ProfileState {
  readonly format: 'sanderling-profile/1';
  readonly rows: number;
  readonly columns: readonly ColumnState[];
}

/** Settings of a profile. */
export interface ProfileOptions {
  /** Size of a column's quantile sketch. @default 1024 */
  readonly sketchSize?: number;
  /** Categories counted one by one; the rest is `other`. @default 1000 */
  readonly maxCategories?: number;
}

const defaultCategories = 1000;
/** Distinct values up to which a numeric column is counted value by value. */
export const fewValues = 20;
const maxColumns = 10_000;

/** What is known of one column. */
export class ColumnProfile implements Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly #maxCategories: number;
  #n = 0;
  #missing = 0;
  #counts: Map<string, number> | undefined = new Map();
  /** The same for numbers, without making text of each. */
  #values: Map<number, number> | undefined = new Map();
  #other = 0;
  #mean = 0;
  #squares = 0;
  #sketch: QuantileSketch | undefined;

  constructor({ name, type }: Column, options: ProfileOptions) {
    this.name = name;
    this.type = type;
    this.#maxCategories = options.maxCategories ?? defaultCategories;
    if (type === 'numeric') this.#sketch = new QuantileSketch(options.sketchSize ?? defaultSketchSize, name);
  }

  /** Samples that were not missing. */
  get n(): number {
    return this.#n;
  }

  get missing(): number {
    return this.#missing;
  }

  get mean(): number {
    return this.#mean;
  }

  get deviation(): number {
    return this.#n > 0 ? Math.sqrt(Math.max(0, this.#squares / this.#n)) : 0;
  }

  /** The quantile sketch of a numeric column. */
  get sketch(): QuantileSketch | undefined {
    return this.#sketch;
  }

  get other(): number {
    return this.#other;
  }

  /** Counts by category, or by value while a numeric column has few; undefined otherwise. */
  get counts(): ReadonlyMap<string, number> | undefined {
    if (this.type === 'categorical') return this.#counts;
    return this.#values === undefined
      ? undefined
      : new Map([...this.#values].map(([value, count]) => [String(value), count]));
  }

  /** Adds a cell. @throws INVALID_DATA when it is not of the column's type; nothing is changed then. */
  add(cell: Cell): void {
    if (cell === null || cell === undefined || Number.isNaN(cell)) {
      this.#missing += 1;
      return;
    }
    if (this.type === 'categorical') this.#addCategory(String(cell), 1);
    else this.#addNumber(cell);
  }

  #addNumber(cell: Cell): void {
    if (typeof cell !== 'number' || !Number.isFinite(cell)) {
      throw new SanderlingError('INVALID_DATA', `${shown(cell)} is not a finite number`, {
        where: this.name,
        fix: 'call the column categorical, or leave the cell empty',
      });
    }
    this.#n += 1;
    const gap = cell - this.#mean;
    this.#mean += gap / this.#n;
    this.#squares += gap * (cell - this.#mean);
    (this.#sketch as QuantileSketch).add(cell);
    if (this.#values !== undefined) this.#countValue(cell, 1);
  }

  #countValue(value: number, times: number): void {
    const values = this.#values as Map<number, number>;
    values.set(value, (values.get(value) ?? 0) + times);
    if (values.size > fewValues) this.#values = undefined;
  }

  #addCategory(category: string, times: number): void {
    const counts = this.#counts as Map<string, number>;
    this.#n += times;
    const held = counts.get(category);
    if (held !== undefined || counts.size < this.#maxCategories) counts.set(category, (held ?? 0) + times);
    else this.#other += times;
  }

  /** Adds all that another profile of the same column has seen. @throws INVALID_ARGUMENT when it is another column. */
  merge(other: ColumnProfile): void {
    if (other.name !== this.name || other.type !== this.type) {
      throw new SanderlingError(
        'INVALID_ARGUMENT',
        `column ${other.name} (${other.type}) is not ${this.name} (${this.type})`,
        {
          where: 'merge',
        },
      );
    }
    this.#missing += other.#missing;
    if (this.type === 'categorical') {
      const rest = other.#other;
      for (const [category, count] of other.#counts ?? []) this.#addCategory(category, count);
      this.#other += rest;
      this.#n += rest;
      return;
    }
    if (other.#n === 0) return;
    const n = this.#n + other.#n;
    const gap = other.#mean - this.#mean;
    this.#squares += other.#squares + (gap * gap * this.#n * other.#n) / n;
    this.#mean += (gap * other.#n) / n;
    this.#n = n;
    (this.#sketch as QuantileSketch).merge(other.#sketch as QuantileSketch);
    if (other.#values === undefined) this.#values = undefined;
    for (const [value, count] of other.#values ?? []) if (this.#values !== undefined) this.#countValue(value, count);
  }

  state(): ColumnState {
    const counts = this.counts;
    return {
      name: this.name,
      type: this.type,
      n: this.#n,
      missing: this.#missing,
      counts: counts === undefined ? null : [...counts],
      other: this.#other,
      mean: this.#mean,
      squares: this.#squares,
      sketch: this.#sketch?.state() ?? null,
    };
  }

  /** @throws CORRUPT */
  static fromState(state: ColumnState, options: ProfileOptions): ColumnProfile {
    const { name, type, n, missing, other, mean, squares } = (state ?? {}) as Partial<ColumnState>;
    const reader = new MemoryReader(
      { detector: 'a column', version: 1, memory: { n, missing, other, mean, squares } },
      'a column',
    );
    reader.require(typeof name === 'string' && name.length > 0, 'name is missing');
    reader.require(columnTypes.includes(type as ColumnType), 'type is not numeric or categorical');
    const counts = countsOf(state.counts, reader);
    const column = new ColumnProfile({ name: name as string, type: type as ColumnType }, options);
    column.#n = reader.count('n');
    column.#missing = reader.count('missing');
    column.#other = reader.count('other');
    column.#mean = reader.number('mean');
    column.#squares = reader.number('squares');
    if (type === 'categorical') column.#counts = new Map(counts);
    else
      column.#values = counts === undefined ? undefined : new Map(counts.map(([text, count]) => [Number(text), count]));
    if (type === 'numeric') {
      column.#sketch = QuantileSketch.fromState(state.sketch as QuantileSketchState);
      reader.require(column.#sketch.n === column.#n, 'the sketch does not match the count');
    }
    return column;
  }
}

function countsOf(counts: unknown, reader: MemoryReader): (readonly [string, number])[] | undefined {
  if (counts === null || counts === undefined) return undefined;
  const whole =
    Array.isArray(counts) &&
    counts.every(
      (pair: unknown) =>
        Array.isArray(pair) && typeof pair[0] === 'string' && Number.isInteger(pair[1]) && (pair[1] as number) > 0,
    );
  reader.require(whole, 'counts are not pairs of text and number');
  return counts as (readonly [string, number])[];
}

/** The profile of a table's columns. */
export class Profile {
  readonly columns: readonly ColumnProfile[];
  #rows = 0;

  /** @throws INVALID_CONFIG when there is no column, too many, or two of one name. */
  constructor(columns: readonly Column[], options: ProfileOptions = {}) {
    const names = new Set(columns.map(({ name }) => name));
    const types = columns.every(({ type }) => columnTypes.includes(type));
    if (columns.length === 0 || columns.length > maxColumns || names.size < columns.length || !types) {
      throw new SanderlingError(
        'INVALID_CONFIG',
        'columns must be 1 to 10,000 with different names, numeric or categorical',
        {
          where: 'columns',
        },
      );
    }
    this.columns = columns.map((column) => new ColumnProfile(column, options));
  }

  /** Rows seen. */
  get rows(): number {
    return this.#rows;
  }

  /** Adds a row of cells in the columns' order. @throws INVALID_DATA when one is missing or of another type; nothing is added then. */
  addRow(cells: readonly Cell[]): void {
    if (cells.length !== this.columns.length) {
      throw new SanderlingError(
        'INVALID_DATA',
        `a row of ${cells.length} cells, where ${this.columns.length} are expected`,
        {
          where: `row ${this.#rows}`,
        },
      );
    }
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i];
      if ((typeof cell === 'number' && Number.isFinite(cell)) || cell === null || cell === undefined) continue;
      const { type, name } = this.columns[i] as ColumnProfile;
      if (type === 'categorical' || Number.isNaN(cell)) continue;
      throw new SanderlingError('INVALID_DATA', `${shown(cell)} is not a finite number`, {
        where: `row ${this.#rows}, ${name}`,
      });
    }
    for (let i = 0; i < cells.length; i++) (this.columns[i] as ColumnProfile).add(cells[i]);
    this.#rows += 1;
  }

  /** Adds all that another profile of the same columns has seen. @throws INVALID_ARGUMENT */
  merge(other: Profile): void {
    const same =
      other.columns.length === this.columns.length &&
      this.columns.every(({ name, type }, i) => other.columns[i]?.name === name && other.columns[i]?.type === type);
    if (!same) throw new SanderlingError('INVALID_ARGUMENT', 'the profiles have different columns', { where: 'merge' });
    this.columns.forEach((column, i) => column.merge(other.columns[i] as ColumnProfile));
    this.#rows += other.#rows;
  }

  state(): ProfileState {
    return { format: 'sanderling-profile/1', rows: this.#rows, columns: this.columns.map((column) => column.state()) };
  }

  /** @throws CORRUPT when it is not a profile. */
  static fromState(state: ProfileState, options: ProfileOptions = {}): Profile {
    const { format, rows, columns } = (state ?? {}) as Partial<ProfileState>;
    const whole =
      format === 'sanderling-profile/1' && Number.isInteger(rows) && (rows as number) >= 0 && Array.isArray(columns);
    if (!whole)
      throw new SanderlingError('CORRUPT', 'not a profile', { where: 'profile', fix: 'make the profile again' });
    const read = (columns as ColumnState[]).map((column) => ColumnProfile.fromState(column, options));
    const profile = new Profile(read, options);
    (profile.columns as ColumnProfile[]).splice(0, read.length, ...read);
    profile.#rows = rows as number;
    return profile;
  }
}
