// The signatures of operators, read from the generated table on first use.
import { readFileSync } from 'node:fs';
import type { AttributeKind } from '../ir.ts';

/** An input's allowed types: those of a type parameter shared with others, or a list. `undefined` names: any. */
export interface InputType {
  readonly parameter: string | undefined;
  readonly types: ReadonlySet<string> | undefined;
  readonly variadic: boolean;
}

/** One version of an operator. Counts beyond any number are Infinity. */
export interface Signature {
  readonly since: number;
  readonly inputs: readonly [number, number];
  readonly outputs: readonly [number, number];
  readonly inputTypes: readonly InputType[];
  readonly attributes: ReadonlyMap<string, { readonly kind: AttributeKind | 'undefined'; readonly required: boolean }>;
  readonly deprecated: boolean;
}

type Counts = readonly [number, number];
type Row = readonly [
  number,
  Counts,
  Counts,
  readonly (string | number)[],
  Readonly<Record<string, string>>,
  'deprecated'?,
];

interface Table {
  readonly types: readonly string[];
  readonly domains: Readonly<Record<string, Readonly<Record<string, readonly Row[]>>>>;
}

let table: Table | undefined;
const typeSets = new Map<number, ReadonlySet<string>>();
const signatures = new Map<Row, Signature>();

function loaded(): Table {
  table ??= JSON.parse(readFileSync(new URL('../gen/operators.json', import.meta.url), 'utf8')) as Table;
  return table;
}

/** Whether the table has the operators of a domain. */
export function knowsDomain(domain: string): boolean {
  return Object.hasOwn(loaded().domains, domain);
}

/** The newest version of an operator at an opset; 'newer' when it only came later, undefined when there is none of that name. */
export function signatureOf(domain: string, opType: string, opset: number): Signature | 'newer' | undefined {
  const operators = loaded().domains[domain];
  const rows = operators && Object.hasOwn(operators, opType) ? operators[opType] : undefined;
  if (!rows) return undefined;
  const row = rows.find(([since]) => since <= opset);
  if (!row) return 'newer';
  const known = signatures.get(row) ?? signature(row);
  signatures.set(row, known);
  return known;
}

function signature([since, inputs, outputs, types, attributes, deprecated]: Row): Signature {
  return {
    since,
    inputs: counts(inputs),
    outputs: counts(outputs),
    inputTypes: types.map(inputType),
    attributes: new Map(Object.entries(attributes).map(([name, kind]) => [name, attributeType(kind)])),
    deprecated: deprecated !== undefined,
  };
}

const counts = ([least, most]: Counts): Counts => [least, most < 0 ? Infinity : most];

function attributeType(kind: string) {
  const required = kind.endsWith('!');
  return { kind: (required ? kind.slice(0, -1) : kind) as AttributeKind, required };
}

function inputType(written: string | number): InputType {
  const text = String(written);
  const variadic = text.endsWith('*');
  const body = variadic ? text.slice(0, -1) : text;
  const [left, right] = body.split('=');
  const index = Number(right ?? left);
  return { parameter: right === undefined ? undefined : left, types: index < 0 ? undefined : typeSet(index), variadic };
}

function typeSet(index: number): ReadonlySet<string> | undefined {
  const names = loaded().types[index];
  if (names === undefined) return undefined;
  // A comma inside parentheses belongs to a map type.
  const set = typeSets.get(index) ?? new Set(names.split(/,(?![^(]*\))/));
  typeSets.set(index, set);
  return set;
}
