// Little-endian fields of frames, read within bounds and written in order.
import { SanderlingError } from '@sanderling/kit';

/** Reads fields one after the other. @throws INVALID_DATA past the end. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  bytes(count: number): Buffer {
    if (count > this.left) throw new SanderlingError('INVALID_DATA', `the frame ends ${count - this.left} bytes early`);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  u8 = (): number => this.bytes(1).readUInt8();
  u16 = (): number => this.bytes(2).readUInt16LE();
  u32 = (): number => this.bytes(4).readUInt32LE();
  i32 = (): number => this.bytes(4).readInt32LE();
  f32 = (): number => this.bytes(4).readFloatLE();

  /** 64 bits as a number. @throws INVALID_DATA when it is not exact. */
  i64(): number {
    const value = Number(this.bytes(8).readBigInt64LE());
    if (!Number.isSafeInteger(value)) throw new SanderlingError('INVALID_DATA', 'a 64-bit number is out of range');
    return value;
  }

  /** ASCII, zero-padded to `count` bytes. */
  text(count: number): string {
    const bytes = this.bytes(count);
    const end = bytes.indexOf(0);
    const text = bytes.toString('latin1', 0, end < 0 ? count : end);
    if (!/^[\x20-\x7e]*$/.test(text)) throw new SanderlingError('INVALID_DATA', 'a text of the frame is not ASCII');
    return text;
  }

  hex = (count: number): string => this.bytes(count).toString('hex');

  /** @throws INVALID_DATA when bytes are left over. */
  end(): void {
    if (this.left > 0) throw new SanderlingError('INVALID_DATA', `the frame has ${this.left} bytes too many`);
  }
}

/** Writes fields one after the other. */
export class FieldWriter {
  readonly #parts: Buffer[] = [];

  bytes(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  u8 = (value: number): this => this.bytes(Uint8Array.of(value));

  u16(value: number): this {
    const field = Buffer.alloc(2);
    field.writeUInt16LE(value);
    return this.bytes(field);
  }

  u32(value: number): this {
    const field = Buffer.alloc(4);
    field.writeUInt32LE(value);
    return this.bytes(field);
  }

  i64(value: number): this {
    const field = Buffer.alloc(8);
    field.writeBigInt64LE(BigInt(value));
    return this.bytes(field);
  }

  f32(value: number): this {
    const field = Buffer.alloc(4);
    field.writeFloatLE(value);
    return this.bytes(field);
  }

  zeros = (count: number): this => this.bytes(new Uint8Array(count));

  /** ASCII, zero-padded. @throws INVALID_ARGUMENT when it is longer. */
  text(value: string, count: number): this {
    const field = Buffer.alloc(count);
    if (value.length > count) throw new SanderlingError('INVALID_ARGUMENT', `"${value}" is longer than ${count} bytes`);
    field.write(value, 'latin1');
    return this.bytes(field);
  }

  done = (): Buffer => Buffer.concat(this.#parts);
}
