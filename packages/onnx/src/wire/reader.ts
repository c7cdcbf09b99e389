// Reads protobuf wire bytes into plain messages after the table in schema.ts. Strict and bounded: it never allocates by a claimed length,
// counts what it makes, and limits nesting. Byte fields are views into the input, not copies.
import { SanderlingError } from '@sanderling/kit';
import { plans, type FieldPlan, type Message, type MessageName } from './schema.ts';

/** Limits of one reading. */
export interface ReadLimits {
  /** Messages and repeated strings in all. @default 2,000,000 */
  readonly items: number;
  /** Messages within messages. @default 96 */
  readonly depth: number;
}

export const defaultLimits: ReadLimits = { items: 2_000_000, depth: 96 };

/**
 * Reads one message.
 * @throws CORRUPT for bytes that are not such a message; TOO_LARGE beyond the limits.
 */
export function readMessage<M extends MessageName>(name: M, bytes: Uint8Array, limits = defaultLimits): Message<M> {
  return new WireReader(bytes, limits).message(name, bytes.length) as Message<M>;
}

type Draft = Record<string, unknown>;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const wireTypes = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const;

class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #limits: ReadLimits;
  #at = 0;
  #items = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, limits: ReadLimits) {
    // A Buffer's own slices are Buffers; plain arrays behave the same everywhere.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  message(name: MessageName, end: number): Draft {
    this.#depth += 1;
    if (this.#depth > this.#limits.depth)
      throw new SanderlingError('TOO_LARGE', `the model nests deeper than ${this.#limits.depth} messages`);
    const draft: Draft = {};
    const unknown: Uint8Array[] = [];
    const { byNumber } = plans[name];
    while (this.#at < end) {
      const start = this.#at;
      const tag = Number(this.#varint(end));
      const plan = byNumber.get(Math.floor(tag / 8));
      if (plan) this.#field(draft, plan, tag % 8, end);
      else {
        this.#skip(tag, end);
        this.#count();
        unknown.push(this.#bytes.subarray(start, this.#at));
      }
    }
    if (unknown.length > 0) draft['unknown'] = joined(unknown);
    this.#depth -= 1;
    return draft;
  }

  #field(draft: Draft, plan: FieldPlan, wireType: number, end: number): void {
    if (plan.repeated) return this.#append((draft[plan.key] ??= []) as unknown[], plan, wireType, end);
    const value = this.#value(plan, wireType, end);
    const before = draft[plan.key];
    // Protobuf merges a repeated occurrence of a single message; ONNX writers never do that, so the last one wins only for scalars.
    if (before !== undefined && plan.message) throw this.#corrupt(`field ${plan.key} occurs twice`);
    draft[plan.key] = value;
  }

  #append(list: unknown[], plan: FieldPlan, wireType: number, end: number): void {
    const packable = plan.scalar === 'int' || plan.scalar === 'float' || plan.scalar === 'double';
    if (!packable || wireType !== wireTypes.delimited) {
      list.push(this.#value(plan, wireType, end));
      return;
    }
    const stop = this.#length(end);
    const inner =
      plan.scalar === 'int' ? wireTypes.varint : plan.scalar === 'float' ? wireTypes.fixed32 : wireTypes.fixed64;
    while (this.#at < stop) list.push(this.#value(plan, inner, stop));
  }

  #value(plan: FieldPlan, wireType: number, end: number): unknown {
    if (plan.message) {
      this.#expect(plan, wireType, wireTypes.delimited);
      this.#count();
      return this.message(plan.message, this.#length(end));
    }
    switch (plan.scalar) {
      case 'int':
        this.#expect(plan, wireType, wireTypes.varint);
        return this.#integer(end);
      case 'float':
        this.#expect(plan, wireType, wireTypes.fixed32);
        return this.#view.getFloat32(this.#take(4, end), true);
      case 'double':
        this.#expect(plan, wireType, wireTypes.fixed64);
        return this.#view.getFloat64(this.#take(8, end), true);
      case 'string':
        return this.#text(plan, wireType, end);
      case 'bytes':
      case undefined:
        this.#expect(plan, wireType, wireTypes.delimited);
        return this.#slice(end);
    }
  }

  #text(plan: FieldPlan, wireType: number, end: number): string {
    this.#expect(plan, wireType, wireTypes.delimited);
    const bytes = this.#slice(end);
    try {
      return utf8.decode(bytes);
    } catch (error) {
      throw this.#corrupt(`field ${plan.key} is not UTF-8 text`, error);
    }
  }

  #slice(end: number): Uint8Array {
    this.#count();
    const stop = this.#length(end);
    const bytes = this.#bytes.subarray(this.#at, stop);
    this.#at = stop;
    return bytes;
  }

  /** A signed 64-bit integer: a number where safe, else a bigint. */
  #integer(end: number): number | bigint {
    const value = this.#varint(end);
    return typeof value === 'number' ? value : safe(BigInt.asIntN(64, value));
  }

  #varint(end: number): number | bigint {
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 7; i += 1) {
      const byte = this.#bytes[this.#take(1, end)]!;
      low += (byte & 127) * scale;
      if (byte < 128) return low;
      scale *= 128;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#take(1, end)]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw this.#corrupt('an integer is longer than 64 bits');
  }

  #length(end: number): number {
    const length = Number(this.#varint(end));
    if (length > end - this.#at) throw this.#corrupt(`a field claims ${length} bytes and ${end - this.#at} are left`);
    return this.#at + length;
  }

  #take(count: number, end: number): number {
    const at = this.#at;
    if (count > end - at) throw this.#corrupt('the bytes end in the middle of a field');
    this.#at = at + count;
    return at;
  }

  #skip(tag: number, end: number): void {
    if (tag < 8) throw this.#corrupt('a field has number 0');
    switch (tag % 8) {
      case wireTypes.varint:
        this.#varint(end);
        return;
      case wireTypes.fixed64:
        this.#take(8, end);
        return;
      case wireTypes.delimited:
        this.#at = this.#length(end);
        return;
      case wireTypes.fixed32:
        this.#take(4, end);
        return;
      default:
        throw this.#corrupt(`wire type ${tag % 8} is not used by ONNX`);
    }
  }

  #count(): void {
    this.#items += 1;
    if (this.#items > this.#limits.items)
      throw new SanderlingError('TOO_LARGE', `the model has more than ${this.#limits.items} parts`);
  }

  #expect(plan: FieldPlan, actual: number, wanted: number): void {
    if (actual !== wanted) throw this.#corrupt(`field ${plan.key} has wire type ${actual} instead of ${wanted}`);
  }

  #corrupt(what: string, cause?: unknown): SanderlingError {
    return new SanderlingError('CORRUPT', `not an ONNX file: ${what}`, {
      where: `byte ${this.#at}`,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function safe(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0]! : new Uint8Array(Buffer.concat(chunks));
}
