/* What the firmware may ask of the board: time, the link to the hub, the console, reset, watchdog, stack. Boards: mps2-an500 (Cortex-M7)
   and mps2-an386 (Cortex-M4) as QEMU emulates them. buildFirmware (packages/micro/src/boards) defines BOARD_ID and FLASH_BASE. */
#ifndef SANDERLING_BOARD_H
#define SANDERLING_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* main of the firmware is called with the FPU on, .data and .bss set, the stack painted and guarded, UARTs and clock running. It runs on a stack of its
   own (PSP); interrupts have another. What it returns ends the emulator as exit status. */
int main(void);

/* 25 MHz ticks and milliseconds since the start. */
uint64_t board_ticks(void);
uint64_t board_milliseconds(void);
#define BOARD_TICKS_PER_MILLISECOND 25000u

/* Sleeps until something arrives on the link (or on a console that is listened to) or `milliseconds` have passed, whichever is first. Returns at once if bytes are waiting. */
void board_wait(uint32_t milliseconds);

/* The link (UART0). Reading takes what has arrived, at most `most` bytes, and never waits. Writing waits for the transmitter, but gives up when it has
   taken nothing for LINK_STALL_MILLISECONDS; the answer is the number of bytes taken. */
#define LINK_STALL_MILLISECONDS 5000u
size_t link_waiting(void);
size_t link_read(uint8_t *into, size_t most);
size_t link_write(const uint8_t *bytes, size_t count);

/* The console (UART1): text, and numbers without the weight of printf. */
void console_text(const char *text);
void console_write(const uint8_t *bytes, size_t count);
void console_number(int32_t number);
void console_unsigned(uint32_t number);
void console_hex(uint32_t number);
/* One byte from the console, or -1 if none is waiting. */
int console_read(void);
/* From now on what comes on the console is received by interrupt, and held back while there is no room; before, only console_read() looks at it. */
void console_listen(void);
/* Bytes that have been received so. */
size_t console_waiting(void);

/* Restarts the board: the program begins anew, the flash keeps what it holds. */
void board_reset(void) __attribute__((noreturn));

/* Ends the emulator with an exit status from 0 to 255. */
void board_exit(int status) __attribute__((noreturn));

/* The watchdog restarts the board unless it is fed at least every `milliseconds` (at most 171,000). Once started it runs until a reset. */
void watchdog_start(uint32_t milliseconds);
void watchdog_feed(void);

/* The stack of main: its size, and the most of it that was used since the start or the last stack_paint (found by the paint that is left). */
uint32_t stack_bytes(void);
uint32_t stack_peak(void);
void stack_paint(void);

/* Called after a fault with the exception's number (3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault) and the stacked registers r0-r3, r12, lr, pc,
   xpsr, or NULL where the stack has overflowed. The board's own is weak: it prints what is known and exits with BOARD_FAULT_STATUS. */
#define BOARD_FAULT_STATUS 97
void board_fault(uint32_t exception, const uint32_t *frame) __attribute__((noreturn));

/* Prints what is known about a fault. */
void board_describe_fault(uint32_t exception, const uint32_t *frame);

#endif
