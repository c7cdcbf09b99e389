// Writes plain messages as protobuf wire bytes after the table in schema.ts. Two passes, sizes then bytes, so that large tensors are copied once.
import { plans, type FieldPlan, type Message, type MessageName } from './schema.ts';

type Fields = Readonly<Record<string, unknown>>;
type Sizes = Map<object, number>;

/** The wire bytes of one message. */
export function writeMessage<M extends MessageName>(name: M, message: Message<M>): Uint8Array {
  const sizes: Sizes = new Map();
  const writer = new WireWriter(messageSize(name, message, sizes), sizes);
  writer.message(name, message);
  return writer.bytes;
}

const textEncoder = new TextEncoder();
const wireTypeOf = { int: 0, double: 1, string: 2, bytes: 2, float: 5 } as const;

function messageSize(name: MessageName, message: Fields, sizes: Sizes): number {
  let size = 0;
  for (const plan of plans[name].list) {
    const value = message[plan.key];
    if (value === undefined) continue;
    size += fieldSize(plan, value, sizes);
  }
  const unknown = message['unknown'] as Uint8Array | undefined;
  size += unknown?.length ?? 0;
  sizes.set(message, size);
  return size;
}

function fieldSize(plan: FieldPlan, value: unknown, sizes: Sizes): number {
  const tag = varintSize(plan.number * 8);
  if (!plan.repeated) return tag + valueSize(plan, value, sizes);
  const list = value as readonly unknown[];
  if (list.length === 0) return 0;
  if (isPacked(plan)) return tag + delimitedSize(packedSize(plan, list));
  let size = tag * list.length;
  for (const item of list) size += valueSize(plan, item, sizes);
  return size;
}

function packedSize(plan: FieldPlan, list: readonly unknown[]): number {
  if (plan.scalar !== 'int') return list.length * (plan.scalar === 'float' ? 4 : 8);
  let size = 0;
  for (const item of list) size += varintSize(item as number | bigint);
  return size;
}

function valueSize(plan: FieldPlan, value: unknown, sizes: Sizes): number {
  if (plan.message) return delimitedSize(messageSize(plan.message, value as Fields, sizes));
  switch (plan.scalar) {
    case 'int':
      return varintSize(value as number | bigint);
    case 'float':
      return 4;
    case 'double':
      return 8;
    case 'string':
      return delimitedSize(Buffer.byteLength(value as string));
    case 'bytes':
    case undefined:
      return delimitedSize((value as Uint8Array).length);
  }
}

const isPacked = (plan: FieldPlan): boolean =>
  plan.scalar === 'int' || plan.scalar === 'float' || plan.scalar === 'double';
const delimitedSize = (length: number): number => varintSize(length) + length;

function varintSize(value: number | bigint): number {
  if (value < 0) return 10;
  let size = 1;
  for (let rest = Number(value); rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return typeof value === 'bigint' ? bigVarintSize(value) : size;
}

function bigVarintSize(value: bigint): number {
  let size = 1;
  for (let rest = BigInt.asUintN(64, value); rest >= 128n; rest >>= 7n) size += 1;
  return size;
}

class WireWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sizes: Sizes;
  #at = 0;

  constructor(size: number, sizes: Sizes) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.#sizes = sizes;
  }

  message(name: MessageName, message: Fields): void {
    for (const plan of plans[name].list) {
      const value = message[plan.key];
      if (value !== undefined) this.#field(plan, value);
    }
    const unknown = message['unknown'] as Uint8Array | undefined;
    if (unknown) this.#raw(unknown);
  }

  #field(plan: FieldPlan, value: unknown): void {
    if (!plan.repeated) return this.#tagged(plan, value);
    const list = value as readonly unknown[];
    if (list.length === 0) return;
    if (!isPacked(plan)) {
      for (const item of list) this.#tagged(plan, item);
      return;
    }
    this.#varint(plan.number * 8 + 2);
    this.#varint(packedSize(plan, list));
    for (const item of list) this.#value(plan, item);
  }

  #tagged(plan: FieldPlan, value: unknown): void {
    this.#varint(plan.number * 8 + (plan.scalar ? wireTypeOf[plan.scalar] : 2));
    this.#value(plan, value);
  }

  #value(plan: FieldPlan, value: unknown): void {
    if (plan.message) {
      this.#varint(this.#sizes.get(value as object)!);
      return this.message(plan.message, value as Fields);
    }
    switch (plan.scalar) {
      case 'int':
        return this.#varint(value as number | bigint);
      case 'float':
        this.#view.setFloat32(this.#at, value as number, true);
        this.#at += 4;
        return;
      case 'double':
        this.#view.setFloat64(this.#at, value as number, true);
        this.#at += 8;
        return;
      case 'string':
        return this.#delimited(textEncoder.encode(value as string));
      case 'bytes':
      case undefined:
        return this.#delimited(value as Uint8Array);
    }
  }

  #delimited(bytes: Uint8Array): void {
    this.#varint(bytes.length);
    this.#raw(bytes);
  }

  #raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #varint(value: number | bigint): void {
    if (typeof value === 'bigint' || value < 0) return this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.#at++] = rest;
  }

  #bigVarint(value: bigint): void {
    let rest = value;
    while (rest >= 128n) {
      this.bytes[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.#at++] = Number(rest);
  }
}
