// The boards that firmware is built for, and the part whose memory is the budget. Memory maps: firmware/board/*.ld, *.h.
import type { ImageBoard } from '../image/image.ts';

/** One emulated board. Sizes in bytes. */
export interface Board {
  readonly name: BoardName;
  /** As people call it. */
  readonly title: string;
  /** The number in a model image's header. */
  readonly image: ImageBoard;
  readonly id: number;
  /** What the compiler must know of the core. */
  readonly cpu: readonly string[];
  /** QEMU's name of the machine. */
  readonly machine: string;
  /** The linker script in firmware/board. */
  readonly script: string;
  /** Address of the flash: the machine's 16 MiB PSRAM, of which a file is the content. */
  readonly flashBase: number;
  /** Where the two model slots begin. */
  readonly slots: Readonly<Record<SlotName, number>>;
}

/** The boards' names. */
export const boardNames = ['m7', 'm4'] as const;
export type BoardName = (typeof boardNames)[number];

/** The two places for a model image. */
export type SlotName = 'a' | 'b';

/** The flash of a board as firmware/board/flash.h divides it. */
export const flashLayout = {
  bytes: 2 * 2 ** 20,
  sectorBytes: 128 * 1024,
  slotBytes: 512 * 1024,
  /** The largest image: the last word of a slot is the image's tag. */
  imageBytes: 512 * 1024 - 32,
  slotOffsets: { a: 0x80000, b: 0x100000 },
  /** Bytes of the file that stands for it: all of the machine's PSRAM. */
  fileBytes: 16 * 2 ** 20,
} as const;

const slotsAt = (base: number): Readonly<Record<SlotName, number>> => ({
  a: base + flashLayout.slotOffsets.a,
  b: base + flashLayout.slotOffsets.b,
});

/** The board table. */
export const boards = {
  m7: {
    name: 'm7',
    title: 'Cortex-M7 (mps2-an500)',
    image: 'm7',
    id: 1,
    cpu: ['-mcpu=cortex-m7', '-mthumb', '-mfpu=fpv5-d16', '-mfloat-abi=hard'],
    machine: 'mps2-an500',
    script: 'mps2-an500.ld',
    flashBase: 0x60000000,
    slots: slotsAt(0x60000000),
  },
  m4: {
    name: 'm4',
    title: 'Cortex-M4 (mps2-an386)',
    image: 'm4',
    id: 2,
    cpu: ['-mcpu=cortex-m4', '-mthumb', '-mfpu=fpv4-sp-d16', '-mfloat-abi=hard'],
    machine: 'mps2-an386',
    script: 'mps2-an386.ld',
    flashBase: 0x21000000,
    slots: slotsAt(0x21000000),
  },
} as const satisfies Record<BoardName, Board>;

/** One bank of memory of a part: what it is for here, and what to do when it is too small. */
export interface Bank {
  readonly name: string;
  readonly origin: number;
  readonly bytes: number;
  readonly holds: string;
  readonly shrink: string;
}

/** A part whose memory is a budget. `board`: the emulated board with its core; `script`: linked against, not run. */
export interface Target {
  readonly name: TargetName;
  readonly title: string;
  readonly board: BoardName;
  readonly script: string;
  /** The core's highest clock. */
  readonly megahertz: number;
  readonly banks: readonly Bank[];
}

/** The parts' names. */
export const targetNames = ['stm32h745'] as const;
export type TargetName = (typeof targetNames)[number];

const kib = 1024;

/** The parts, as their linker scripts have them. */
export const targets = {
  stm32h745: {
    name: 'stm32h745',
    title: 'STM32H745 (Cortex-M7)',
    board: 'm7',
    script: 'stm32h745.ld',
    megahertz: 480,
    banks: [
      {
        name: 'FLASH',
        origin: 0x08000000,
        bytes: 2048 * kib,
        holds: 'code and constants',
        shrink: 'quantise to int8 (a quarter of the constants), or use fewer channels or hidden units',
      },
      {
        name: 'DTCM',
        origin: 0x20000000,
        bytes: 128 * kib,
        holds: 'stack, variables and the state of recurrent layers',
        shrink: 'use fewer hidden units, or less stack',
      },
      {
        name: 'AXI',
        origin: 0x24000000,
        bytes: 512 * kib,
        holds: 'the arena (working memory of the layers)',
        shrink:
          'quantise to int8 (a quarter), shorten the window, or use fewer channels or a larger stride in the first layers',
      },
      {
        name: 'D2',
        origin: 0x30000000,
        bytes: 288 * kib,
        holds: 'inputs and outputs',
        shrink: 'shorten the window or use a smaller picture, or let inputs be int8',
      },
    ],
  },
} as const satisfies Record<TargetName, Target>;
