// A model image: code and constants linked for the address of a slot, without variables, sealed with its header.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SanderlingError, type Digest } from '@sanderling/kit';
import { imageHeaderBytes, sealImage } from '../image/image.ts';
import { boardFolder, compile, type BuildOptions, type FirmwareSources, type Objects } from './objects.ts';
import { readElf, type Elf } from './elf.ts';
import { boards, flashLayout, type BoardName, type SlotName } from './table.ts';

/** Options of {@link buildModelImage}. */
export interface ModelImageOptions extends BuildOptions {
  readonly board: BoardName;
  /** A slot of the board, or the address of one. */
  readonly slot: SlotName | number;
  /** Grows with every release. */
  readonly sequence: number;
  readonly release: Digest;
}

/**
 * Links sources as an image for one slot. They define the entry table:
 * `SANDERLING_IMAGE_ENTRY const sanderling_entry sanderling_image_entry = {…};` (sanderling_entry.h). libm and libgcc are linked in.
 * Equal sources and options give equal bytes.
 * @throws UNSUPPORTED naming writable variables, which an image cannot have; TOO_LARGE when it exceeds a slot without its tag; INVALID_ARGUMENT for code without the entry
 * table or that does not compile; UNAVAILABLE without the tools; TIMEOUT; CANCELLED.
 */
export async function buildModelImage(sources: FirmwareSources, options: ModelImageOptions): Promise<Uint8Array> {
  const { slot, ...rest } = options;
  const [image] = await buildModelImages(sources, { ...rest, slots: [slot] });
  return image!;
}

/** The same for several slots, compiled once. @throws as {@link buildModelImage} */
export async function buildModelImages(
  sources: FirmwareSources,
  options: Omit<ModelImageOptions, 'slot'> & { readonly slots: readonly ModelImageOptions['slot'][] },
): Promise<readonly Uint8Array[]> {
  const { slots, ...rest } = options;
  await using objects = await compile(options.board, sources, options);
  const images: Uint8Array[] = [];
  for (const slot of slots) images.push(await linkImage(objects, { ...rest, slot }));
  return images;
}

async function linkImage(objects: Objects, options: ModelImageOptions): Promise<Uint8Array> {
  const { board, slot, sequence, release } = options;
  const slotAddress = typeof slot === 'number' ? slot : boards[board].slots[slot];
  const path = await objects.link({
    own: ['image-errno'],
    flags: [
      '-T',
      join(boardFolder, 'image.ld'),
      `-Wl,--defsym=SLOT_ADDRESS=${slotAddress}`,
      '-Wl,--require-defined=sanderling_image_entry',
    ],
    name: 'image',
  });
  const elf = readElf(await readFile(path));
  refuseVariables(elf);
  const payload = payloadOf(elf, slotAddress + imageHeaderBytes);
  const tooMany = imageHeaderBytes + payload.length - flashLayout.imageBytes;
  if (tooMany > 0)
    throw new SanderlingError(
      'TOO_LARGE',
      `the model image is ${tooMany} bytes larger than a slot takes (${flashLayout.imageBytes})`,
      {
        where: `slot ${slot}`,
        fix: 'quantise to int8 (a quarter of the constants), or use fewer channels or hidden units',
        details: { bytes: imageHeaderBytes + payload.length, mostBytes: flashLayout.imageBytes },
      },
    );
  const entry = elf.symbols.find(({ name }) => name === 'sanderling_image_entry')!;
  const fields = { board: boards[board].image, slotAddress, sequence, release };
  return sealImage({ ...fields, entryOffset: entry.address - slotAddress }, payload);
}

function refuseVariables({ sections, symbols }: Elf): void {
  const writable = sections.filter(({ name, size }) => (name === '.data' || name === '.bss') && size > 0);
  if (writable.length === 0) return;
  const names = symbols
    .filter(({ section, size }) => size > 0 && writable.some(({ name }) => name === section))
    .map(({ name }) => name);
  throw new SanderlingError('UNSUPPORTED', `a model image cannot have variables: ${names.join(', ') || 'some'}`, {
    where: names[0] ?? '.bss',
    fix: 'keep them in the memory that the entry table asks for, or make them const',
    details: { variables: names },
  });
}

/** The sections as they lie in the slot, gaps as erased flash. */
function payloadOf({ sections }: Elf, start: number): Uint8Array {
  const inside = sections.filter(({ allocated, bytes }) => allocated && bytes.length > 0);
  const end = Math.max(start, ...inside.map(({ address, size }) => address + size));
  const payload = new Uint8Array(end - start).fill(0xff);
  for (const { address, bytes } of inside) payload.set(bytes, address - start);
  return payload;
}
