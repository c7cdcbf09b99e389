// Firmware on emulated boards: the link, the flash and power cuts, faults, watchdog; and no emulator is left behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { strictFlags } from '../host.ts';
import { instructionsOf } from './emulator.ts';
import { boardNames, boards, buildFirmware, flashLayout, hasBoardTools, runFirmware, type Firmware } from './index.ts';

const tools = await hasBoardTools();
if (!tools) console.warn('skipped: boards, for want of qemu-system-arm, gcc-arm-none-eabi, libnewlib-arm-none-eabi');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'boards-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const firmware = (main: string, board: 'm7' | 'm4' = 'm7'): Promise<Firmware> =>
  buildFirmware(board, { texts: { 'main.c': main } }, { flags: strictFlags, stackBytes: 4096 });

const alive = (pid: number | undefined): boolean => {
  try {
    process.kill(pid!, 0);
    return true;
  } catch {
    return false;
  }
};

const stuck = '#include "board.h"\nint main(void) { console_text("up\\n"); for (;;) { board_wait(1000u); } }';

describe.skipIf(!tools)('a board', () => {
  test.each(boardNames)('%s: console, time, exit status, stack', async (board) => {
    await using built = await firmware(
      `#include "board.h"
       static volatile int sink;
       static int deep(int n) { volatile char room[100]; room[0] = (char)n; return n == 0 ? 0 : deep(n - 1) + room[0]; }
       int main(void) {
         console_text("board "); console_unsigned(BOARD_ID); console_text(" flash "); console_hex(FLASH_BASE); console_text("\\n");
         const uint64_t start = board_milliseconds();
         board_wait(120u);
         console_number((int32_t)(board_milliseconds() - start)); console_text(" ms\\n");
         const uint32_t before = stack_peak();
         sink = deep(20);
         const uint32_t after = stack_peak();
         console_unsigned(after - before); console_text(" more stack of "); console_unsigned(stack_bytes()); console_text("\\n");
         console_number(INT32_MIN); console_text("\\n");
         return 42;
       }`,
      board,
    );
    await using emulator = await runFirmware(built, { semihosting: true, timeout: 60_000 });
    expect(await emulator.ended).toBe(42);
    const [who, waited, stack, least] = emulator.lines;
    expect(who).toBe(`board ${boards[board].id} flash 0x${boards[board].flashBase.toString(16).padStart(8, '0')}`);
    expect(Number.parseInt(waited!, 10)).toBeGreaterThanOrEqual(120);
    const [more, size] = stack!.match(/\d+/g)!.map(Number);
    expect(size).toBe(4096);
    expect(more).toBeGreaterThan(20 * 100);
    expect(more).toBeLessThan(20 * 140);
    expect(least).toBe('-2147483648');
  });

  test('a fault says where, and a stack overflow that it is one', async () => {
    await using built = await firmware(
      `#include "board.h"
       static volatile int zero;
       static int deep(int n) { volatile char room[100]; room[0] = (char)n; return n == 0 ? 0 : deep(n - 1) + room[0]; }
       int main(void) {
         int which = -1;
         while (which < 0) { which = console_read(); }
         if (which == 'a') { *(volatile uint32_t *)0xF0000000u = 1u; }
         if (which == 'o') { zero = deep(10000); }
         if (which == 'z') { zero = 7 / zero; }
         return 0;
       }`,
    );
    const said = await Promise.all(
      ['a', 'o', 'z'].map(async (which) => {
        await using emulator = await runFirmware(built, { semihosting: true, timeout: 60_000 });
        emulator.type(which);
        expect(await emulator.ended).toBe(97);
        return emulator.lines.join();
      }),
    );
    expect(said[0]).toMatch(/^fault: bus 5 at 0x0000\w+ .* address 0xf0000000$/);
    expect(said[1]).toMatch(/^fault: memory 4, the stack overflowed/);
    expect(said[2]).toMatch(/^fault: usage 6 at/);
  });

  test.each(boardNames)('%s counts instructions exactly', async (board) => {
    // Each assembler function is so many instructions by its text; the call and the return are two more, and a clock without work takes out its own.
    const repeat = (count: number, line: string): string => `".rept ${count}\\n\\t${line}\\n\\t.endr\\n\\tbx lr"`;
    await using built = await firmware(
      `#include "board.h"
       __attribute__((naked, noinline)) static void none(void) { __asm__ volatile("bx lr"); }
       __attribute__((naked, noinline)) static void hundred(void) { __asm__ volatile(${repeat(100, 'nop')}); }
       __attribute__((naked, noinline)) static void thousand(void) { __asm__ volatile(${repeat(999, 'add r0, r0, #1')}); }
       __attribute__((naked, noinline)) static void loop(void) {
         __asm__ volatile("ldr r0, =1000000\\n1:\\tsubs r0, r0, #1\\n\\tbne 1b\\n\\tbx lr\\n\\t.ltorg");
       }
       static uint64_t ticks(void (*work)(void)) { const uint64_t start = board_ticks(); work(); return board_ticks() - start; }
       int main(void) {
         void (*const works[])(void) = {none, hundred, thousand, loop, hundred};
         for (uint32_t i = 0u; i < 5u; i++) { console_unsigned((uint32_t)ticks(works[i])); console_text("\\n"); }
         return 0;
       }`,
      board,
    );
    await using emulator = await runFirmware(built, { counting: true, timeout: 60_000 });
    expect(await emulator.ended).toBe(0);
    const [none, ...rest] = emulator.lines.map((line) => instructionsOf(Number(line)));
    expect(rest.map((count) => count - none!)).toEqual([100, 999, 2_000_001, 100]);
  });

  test('a watchdog that nobody feeds restarts the board', async () => {
    await using built = await firmware(
      `#include "board.h"
       int main(void) {
         console_text("start\\n");
         watchdog_start(700u);
         for (int i = 0; i < 10; i++) { board_wait(20u); watchdog_feed(); }
         console_text("fed\\n");
         for (;;) { }
       }`,
    );
    await using emulator = await runFirmware(built, { semihosting: true, timeout: 60_000 });
    while (emulator.lines.length < 4) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(emulator.lines.slice(0, 4)).toEqual(['start', 'fed', 'start', 'fed']);
  });

  test('the link loses nothing, even to a board that reads late', async () => {
    await using built = await firmware(
      `#include "board.h"
       int main(void) {
         static uint8_t bytes[300];
         uint32_t left = 30000u;
         board_wait(300u); /* much has come by then, more than the ring holds */
         while (left > 0u) {
           board_wait(1000u);
           const size_t count = link_read(bytes, sizeof bytes);
           if (link_write(bytes, count) != count) { return 1; }
           left -= (uint32_t)count;
         }
         return 0;
       }`,
    );
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const connected = once(server, 'connection') as Promise<[Socket]>;
    await using emulator = await runFirmware(built, {
      link: { connect: { port } },
      semihosting: true,
      timeout: 60_000,
    });
    const [socket] = await connected;
    const random = createRandom(1, 'link');
    const sent = Buffer.from(Array.from({ length: 30_000 }, () => random.int(0, 255)));
    socket.write(sent);
    const got: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => got.push(chunk));
    const closed = once(socket, 'close');
    expect(await emulator.ended).toBe(0);
    await closed;
    server.close();
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  });
});

describe.skipIf(!tools)('a hub that is away', () => {
  test('is waited for, if so asked; else the board does not start', async () => {
    await using built = await firmware(
      '#include "board.h"\nint main(void) { (void)link_write((const uint8_t *)"x", 1u); board_wait(100u); return 1; }',
    );
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    await using waiting = await runFirmware(built, {
      link: { connect: { port }, reconnect: 1 },
      semihosting: true,
      timeout: 60_000,
    });
    expect(await waiting.ended).toBe(1);
    await using alone = await runFirmware(built, { link: { connect: { port } }, semihosting: true, timeout: 60_000 });
    await expect(alone.ended).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/Connection refused/) as string,
    });
    await expect(alone.line(/never/)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe.skipIf(!tools)('flash', () => {
  test('is erased by sectors, programmed once by words, and refuses all else', async () => {
    await using built = await firmware(
      `#include "board.h"
       #include "flash.h"
       static void tell(flash_status status) { console_unsigned((uint32_t)status); }
       int main(void) {
         static uint8_t word[64];
         const uint8_t *const at = flash_sector(FLASH_SLOT_A_SECTOR);
         for (uint32_t i = 0; i < sizeof word; i++) { word[i] = (uint8_t)i; }
         tell(flash_program(at + 32, word, 64u));
         tell(flash_program(at + 64, word, 32u));
         tell(flash_program(at + 8, word, 32u));
         tell(flash_program(at + 128, word, 20u));
         tell(flash_program(flash_sector(FLASH_SECTORS) - 32, word, 64u));
         tell(flash_program(flash_base() - 32, word, 32u));
         tell(flash_erase(FLASH_SECTORS));
         tell(flash_is_erased(at, 32u) && !flash_is_erased(at, 64u) ? 8 : 9);
         tell(flash_erase(FLASH_SLOT_A_SECTOR + 1u));
         return at[32 + 63];
       }`,
    );
    const flash = join(folder, 'once.bin');
    await using emulator = await runFirmware(built, { flash, semihosting: true, timeout: 60_000 });
    expect(await emulator.ended).toBe(63);
    await using again = await runFirmware(built, { flash, semihosting: true, timeout: 60_000 });
    await again.ended;
    expect([emulator.lines, again.lines]).toEqual([['032211180'], ['332211180']]);
    const bytes = readFileSync(flash);
    expect(bytes.length).toBe(flashLayout.fileBytes);
    const sector = bytes.subarray(flashLayout.slotOffsets.a);
    expect([...sector.subarray(31, 36)]).toEqual([255, 0, 1, 2, 3]);
  });

  test('opens no file of this machine and does not end the emulator unless it may', async () => {
    await using built = await firmware(
      `#include "board.h"
       #include "semihosting.h"
       int main(void) {
         const int32_t file = host_open("opened", true);
         return file >= 0 && host_write(file, "x", 1u) ? 5 : 6;
       }`,
    );
    const home = mkdtempSync(join(folder, 'home-'));
    await using able = await runFirmware(built, { cwd: home, timeout: 60_000 });
    expect(await able.ended).toBe(5);
    expect(readFileSync(join(home, 'opened'), 'latin1')).toBe('x');
    rmSync(join(home, 'opened'));
    await using unable = await runFirmware(built, { cwd: home, semihosting: false, timeout: 60_000 });
    await expect(unable.ended).rejects.toMatchObject({ code: 'INTERNAL', fix: expect.stringContaining('semihosting') });
    expect(unable.lines.join()).toMatch(/^fault: hard/);
    expect(existsSync(join(home, 'opened'))).toBe(false);
  });

  test('a hook cuts the power at an exact step', async () => {
    await using built = await firmware(
      `#include "board.h"
       #include "flash.h"
       static uint32_t last;
       static void cut(uint32_t step, uint8_t *work, uint32_t bytes)
       {
         (void)work;
         if (step == last) { board_exit(9 + (int)(bytes / FLASH_WORD_BYTES % 7u)); }
       }
       int main(void) {
         static const uint8_t zeros[64];
         int digit = -1;
         while (digit < 0) { digit = console_read(); }
         last = (uint32_t)(digit - 'a') + 1u;
         (void)flash_program(flash_sector(5), zeros, 64u);
         flash_set_hook(cut);
         (void)flash_erase(5u);
         (void)flash_program(flash_sector(5) + 32, zeros, 64u);
         return 0;
       }`,
    );
    // Four steps and one more erase the sector, its first quarter as the third; four and one more program two words. Status 10: something is in work.
    const seen: number[][] = [];
    const statuses: unknown[] = [];
    for (const step of 'abdefghij') {
      const flash = join(folder, `hook-${step}.bin`);
      await using emulator = await runFirmware(built, { flash, semihosting: true, timeout: 60_000 });
      emulator.type(step);
      statuses.push(await emulator.ended);
      const start = 5 * flashLayout.sectorBytes;
      const sector = readFileSync(flash).subarray(start, start + 96);
      seen.push([0, 16, 32, 48, 64, 80].map((at) => sector[at]!));
    }
    const [o, x] = [0, 255];
    expect(statuses).toEqual([9, 10, 10, 9, 9, 10, 9, 10, 9]);
    expect(seen).toEqual([
      [o, o, o, o, x, x],
      [o, o, o, o, x, x],
      [x, x, x, x, x, x],
      [x, x, x, x, x, x],
      [x, x, x, x, x, x],
      [x, x, o, x, x, x],
      [x, x, o, o, x, x],
      [x, x, o, o, o, x],
      [x, x, o, o, o, o],
    ]);
  });

  test('keeps all that was written before a power cut, at whatever moment', async () => {
    // Word n of the sector holds n in all of its eight numbers; after a start it goes on behind the last whole word.
    await using built = await firmware(
      `#include "board.h"
       #include "flash.h"
       int main(void) {
         const uint32_t *const at = (const uint32_t *)(const void *)flash_sector(FLASH_OUTBOX_SECTOR);
         uint32_t n = 0u;
         while (n < 4096u && !flash_is_erased(at + 8u * n, 32u)) { n += 1u; }
         console_unsigned(n); console_text(" words\\n");
         for (; n < 4096u; n += 1u) {
           uint32_t word[8];
           for (uint32_t i = 0u; i < 8u; i++) { word[i] = n; }
           if (flash_program(at + 8u * n, word, 32u) != FLASH_OK) { return 1; }
           for (const uint64_t now = board_ticks(); board_ticks() - now < 6250u;) { } /* 0.25 ms: so that cuts find it at work */
         }
         return 0;
       }`,
    );
    const flash = join(folder, 'cut.bin');
    const random = createRandom(3, 'cuts');
    let [torn, before] = [0, 0];
    for (let cuts = 0; cuts < 8; cuts += 1) {
      await using emulator = await runFirmware(built, { flash, semihosting: true, timeout: 60_000 });
      await emulator.line(/words/);
      await new Promise((resolve) => setTimeout(resolve, random.uniform(0, 4)));
      await emulator.kill();
      expect(alive(emulator.pid)).toBe(false);
      const sector = readFileSync(flash).subarray(12 * flashLayout.sectorBytes, 13 * flashLayout.sectorBytes);
      let [words, broken] = [0, 0];
      for (; words < 4096; words += 1) {
        const word = sector.subarray(32 * words, 32 * words + 32);
        if (word.every((byte) => byte === 255)) break;
        if (Array.from({ length: 8 }, (_, i) => word.readUInt32LE(4 * i)).some((n) => n !== words)) broken += 1;
      }
      expect(words).toBeGreaterThanOrEqual(before);
      expect(sector.subarray(32 * words).every((byte) => byte === 255)).toBe(true);
      expect(broken - torn).toBeLessThanOrEqual(1); // the one in work
      [torn, before] = [broken, words];
    }
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(4096);
  });
});

describe.skipIf(!tools)('no emulator is left behind', () => {
  test('after a kill, a timeout, an abort, and disposal', async () => {
    await using built = await firmware(stuck);
    const killed = await runFirmware(built);
    await killed.line(/up/);
    await killed.kill();
    expect(await killed.ended).toBeUndefined();

    const late = await runFirmware(built, { timeout: 300 });
    await expect(late.ended).rejects.toMatchObject({ code: 'TIMEOUT' });

    const abort = new AbortController();
    const stopped = await runFirmware(built, { signal: abort.signal });
    await stopped.line(/up/);
    abort.abort();
    await expect(stopped.ended).rejects.toMatchObject({ code: 'CANCELLED' });
    const never = await runFirmware(built, { signal: AbortSignal.abort() });
    await expect(never.ended).rejects.toMatchObject({ code: 'CANCELLED' });

    let inBlock: number | undefined;
    {
      await using emulator = await runFirmware(built);
      inBlock = emulator.pid;
      await expect(emulator.line(/never/, 50)).rejects.toMatchObject({ code: 'TIMEOUT' });
    }
    for (const pid of [killed.pid, late.pid, stopped.pid, never.pid, inBlock]) expect(alive(pid)).toBe(false);
  });

  test('after this process is killed', async () => {
    await using built = await firmware(stuck);
    const script = `
      import { runFirmware } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
      const board = await runFirmware({ board: 'm7', path: ${JSON.stringify(built.path)} }, { flash: ${JSON.stringify(join(folder, 'killed.bin'))} });
      await board.line(/up/);
      console.log(board.pid);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = Number(chunk.toString());
    expect(alive(pid)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (let tries = 0; alive(pid) && tries < 100; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(alive(pid)).toBe(false);
  });
});
