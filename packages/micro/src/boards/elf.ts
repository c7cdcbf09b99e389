// What a linked program is made of: sections and symbols of a 32-bit little-endian ELF file (System V ABI, chapter 4), as our own linker makes them.
import { SanderlingError } from '@sanderling/kit';

/** One section. `bytes` is empty for those that only take room (.bss). */
export interface Section {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  /** Takes room in the machine's memory. */
  readonly allocated: boolean;
  readonly writable: boolean;
  readonly bytes: Uint8Array;
}

/** A named place. */
export interface Symbol {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  /** The section that it lies in, undefined for absolute ones. */
  readonly section: string | undefined;
}

/** A program, taken apart. */
export interface Elf {
  readonly sections: readonly Section[];
  readonly symbols: readonly Symbol[];
}

const [nobits, symtab] = [8, 2];
const [flagWrite, flagAlloc] = [1, 2];

/** @throws CORRUPT for anything but a whole ELF file of this kind. */
export function readElf(file: Uint8Array): Elf {
  try {
    return read(Buffer.from(file.buffer, file.byteOffset, file.length));
  } catch (cause) {
    if (cause instanceof SanderlingError) throw cause;
    throw new SanderlingError('CORRUPT', 'the ELF file is cut or damaged', { cause });
  }
}

function read(file: Buffer): Elf {
  if (file.toString('latin1', 0, 6) !== '\u007fELF\u0001\u0001')
    throw new SanderlingError('CORRUPT', 'this is no 32-bit little-endian ELF file');
  const start = file.readUInt32LE(32);
  const [size, count, names] = [file.readUInt16LE(46), file.readUInt16LE(48), file.readUInt16LE(50)];
  const headers = Array.from({ length: count }, (_, i) => {
    const at = start + i * size;
    const word = (index: number): number => file.readUInt32LE(at + 4 * index);
    return {
      name: word(0),
      type: word(1),
      flags: word(2),
      address: word(3),
      offset: word(4),
      size: word(5),
      link: word(6),
    };
  });
  const content = ({ type, offset, size: length }: (typeof headers)[number]): Buffer => {
    if (type === nobits) return Buffer.alloc(0);
    if (offset + length > file.length) throw new SanderlingError('CORRUPT', 'the ELF file is cut');
    return file.subarray(offset, offset + length);
  };
  const nameTable = content(headers[names]!);
  const sections = headers.map(
    (header): Section => ({
      name: textAt(nameTable, header.name),
      address: header.address,
      size: header.size,
      allocated: (header.flags & flagAlloc) !== 0,
      writable: (header.flags & flagWrite) !== 0,
      bytes: content(header),
    }),
  );
  const table = headers.find(({ type }) => type === symtab);
  const symbols = table ? symbolsOf(content(table), content(headers[table.link]!), sections) : [];
  return { sections, symbols };
}

function symbolsOf(table: Buffer, names: Buffer, sections: readonly Section[]): readonly Symbol[] {
  return Array.from({ length: Math.floor(table.length / 16) }, (_, i) => {
    const at = i * 16;
    return {
      name: textAt(names, table.readUInt32LE(at)),
      address: table.readUInt32LE(at + 4),
      size: table.readUInt32LE(at + 8),
      section: sections[table.readUInt16LE(at + 14)]?.name,
    };
  });
}

function textAt(table: Buffer, offset: number): string {
  const end = table.indexOf(0, offset);
  return table.toString('latin1', offset, end < 0 ? table.length : end);
}

/** Sum of the sizes of allocated sections with one of these names. */
export function sizeOfSections({ sections }: Elf, ...names: readonly string[]): number {
  return sections
    .filter(({ name, allocated }) => allocated && names.includes(name))
    .reduce((sum, { size }) => sum + size, 0);
}
