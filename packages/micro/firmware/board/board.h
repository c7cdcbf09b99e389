/* What the firmware may ask of the board: time, the link to the hub, the console, reset, watchdog, interrupts. Boards: mps2-an500 (Cortex-M7) and
   mps2-an386 (Cortex-M4) as QEMU emulates them. */
#ifndef SANDERLING_BOARD_H
#define SANDERLING_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* main() of the firmware is called with the FPU on, .data and .bss set, the stack painted and guarded, UARTs and clock running. */
int main(void);

/* Milliseconds and 25 MHz ticks since the start. */
uint64_t board_milliseconds(void);
uint64_t board_ticks(void);
#define BOARD_TICKS_PER_MILLISECOND 25000u

/* Sleeps until something arrives on the link or `milliseconds` have passed, whichever is first. Returns at once if bytes are waiting. */
void board_wait(uint32_t milliseconds);

/* The link (UART0). Reading takes what has arrived, at most `most` bytes, and never waits; writing waits for the transmitter. */
size_t link_read(uint8_t *into, size_t most);
size_t link_waiting(void);
void link_write(const uint8_t *bytes, size_t count);

/* The console (UART1): text, numbers in decimal and hexadecimal, without the weight of printf. */
void console_text(const char *text);
void console_number(int32_t number);
void console_unsigned(uint32_t number);
void console_hex(uint32_t number);
void console_write(const uint8_t *bytes, size_t count);
/* One byte from the console, or -1 if none is waiting. */
int console_read(void);

/* Restarts the board as after a power-on, but RAM and flash keep what they hold. */
void board_reset(void) __attribute__((noreturn));

/* Ends the emulator with an exit status (semihosting); on silicon it stops. */
void board_exit(int status) __attribute__((noreturn));

/* The watchdog restarts the board unless it is fed at least every `milliseconds`. Once started it runs until a reset. */
void watchdog_start(uint32_t milliseconds);
void watchdog_feed(void);

/* The stack: its size, and the most of it that was used since the start (found by the paint that is left). stack_paint() paints what is unused again. */
uint32_t stack_bytes(void);
uint32_t stack_peak(void);
void stack_paint(void);

/* A fault was caught: called by the handler with the stacked registers (r0-r3, r12, lr, pc, xpsr); prints and exits with BOARD_FAULT_STATUS, unless the
   firmware has one of its own (the board's is weak). */
#define BOARD_FAULT_STATUS 97
void board_fault(const uint32_t *frame, uint32_t exception) __attribute__((noreturn));

#endif
