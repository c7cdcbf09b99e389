/* From reset to main: vector table, FPU, memory, the painted and guarded stack; faults; the end of the program. */
#include "board.h"
#include "registers.h"

/* Symbols of the linker script. */
extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
extern uint32_t guard_start[], stack_limit[], stack_top[];
void interrupt_stack_top(void); /* an address, never called */

void uart_start(void);
void clock_start(void);
void uart0_receive_interrupt(void);
void uart1_receive_interrupt(void);
void timer0_interrupt(void);
void timer1_interrupt(void);

#define PAINT 0xC5C5C5C5u
#define GUARD_BYTES 256u
#define GUARD_SIZE_FIELD 7u /* 2^(7+1) bytes */

/* The MPU lets nobody touch the last bytes below the stack; everything else stays as the core's own map has it. */
static void guard_stack(void)
{
    if (MPU_TYPE == 0u) {
        return;
    }
    MPU_REGION = 0u;
    MPU_BASE = (uint32_t)(uintptr_t)guard_start;
    MPU_ATTRIBUTES = (1u << 28) | (GUARD_SIZE_FIELD << 1) | 1u; /* no execution, no access */
    MPU_CONTROL = 5u;                                           /* on, with the default map for privileged code */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

__attribute__((noreturn, used)) static void start(void)
{
    for (uint32_t *to = data_start, *from = data_load; to < data_end; to += 1, from += 1) {
        *to = *from;
    }
    for (uint32_t *to = bss_start; to < bss_end; to += 1) {
        *to = 0u;
    }
    stack_paint();
    SCB_SHCSR |= 7u << 16; /* MemManage, BusFault and UsageFault have handlers of their own */
    SCB_CCR |= 1u << 4;    /* dividing by zero is a fault */
    guard_stack();
    uart_start();
    clock_start();
    __asm__ volatile("cpsie i");
    board_exit(main());
}

/* Thread mode gets a stack of its own, so that the handler of an overflow has one that is whole. The FPU is on before C code runs. */
__attribute__((noreturn, naked, used)) void reset_handler(void)
{
    __asm__ volatile("cpsid i\n\t"
                     "ldr r0, =interrupt_stack_top\n\t"
                     "msr msp, r0\n\t"
                     "ldr r0, =stack_top\n\t"
                     "msr psp, r0\n\t"
                     "movs r0, #2\n\t"
                     "msr control, r0\n\t"
                     "isb\n\t"
                     "ldr r0, =0xE000ED88\n\t"
                     "ldr r1, [r0]\n\t"
                     "orr r1, r1, #0xF00000\n\t"
                     "str r1, [r0]\n\t"
                     "dsb\n\t"
                     "isb\n\t"
                     "b start\n\t"
                     ".ltorg");
}

uint32_t stack_bytes(void) { return (uint32_t)((uintptr_t)stack_top - (uintptr_t)stack_limit); }

uint32_t stack_peak(void)
{
    const uint32_t *at = stack_limit;
    while (at < stack_top && *at == PAINT) {
        at += 1;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)at);
}

void stack_paint(void)
{
    uintptr_t sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    for (uint32_t *to = stack_limit; (uintptr_t)to < sp; to += 1) {
        *(volatile uint32_t *)to = PAINT;
    }
}

void board_reset(void)
{
    __asm__ volatile("dsb" ::: "memory");
    SCB_AIRCR = 0x05FA0004u;
    for (;;) {
        __asm__ volatile("dsb");
    }
}

void board_exit(int status)
{
    /* SYS_EXIT_EXTENDED with ADP_Stopped_ApplicationExit: QEMU ends with the status. */
    uint32_t block[2] = {0x20026u, (uint32_t)status};
    register uint32_t r0 __asm__("r0") = 0x20u;
    register uint32_t *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" ::"r"(r0), "r"(r1) : "memory");
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void board_describe_fault(uint32_t exception, const uint32_t *frame)
{
    static const char *const names[] = {"hard", "memory", "bus", "usage"};
    console_text("fault: ");
    console_text(exception >= 3u && exception <= 6u ? names[exception - 3u] : "unexpected exception");
    console_text(" ");
    console_unsigned(exception);
    if (frame == NULL) {
        console_text(", the stack overflowed");
    } else {
        console_text(" at ");
        console_hex(frame[6]);
        console_text(" called from ");
        console_hex(frame[5]);
    }
    console_text(", CFSR ");
    console_hex(SCB_CFSR);
    console_text(" HFSR ");
    console_hex(SCB_HFSR);
    if ((SCB_CFSR & 0x80u) != 0u) {
        console_text(" address ");
        console_hex(SCB_MMFAR);
    }
    if ((SCB_CFSR & 0x8000u) != 0u) {
        console_text(" address ");
        console_hex(SCB_BFAR);
    }
    console_text("\n");
}

__attribute__((weak)) void board_fault(uint32_t exception, const uint32_t *frame)
{
    board_describe_fault(exception, frame);
    board_exit(BOARD_FAULT_STATUS);
}

/* MSTKERR and STKERR: the frame could not be written. Also no frame: an access inside the guard. */
__attribute__((noreturn, used)) static void fault(uint32_t *frame, uint32_t exception)
{
    const uint32_t status = SCB_CFSR;
    const uint32_t guard = (uint32_t)(uintptr_t)guard_start;
    const bool in_guard = (status & 0x80u) != 0u && SCB_MMFAR >= guard && SCB_MMFAR < guard + GUARD_BYTES;
    const bool overflowed = (status & 0x1010u) != 0u || in_guard || (uintptr_t)frame < (uintptr_t)stack_limit;
    board_fault(exception, overflowed ? NULL : frame);
}

__attribute__((naked)) static void fault_handler(void)
{
    __asm__ volatile("cpsid i\n\t"
                     "tst lr, #4\n\t"
                     "ite eq\n\t"
                     "mrseq r0, msp\n\t"
                     "mrsne r0, psp\n\t"
                     "mrs r1, ipsr\n\t"
                     "b fault");
}

/* The watchdog's first bite is the NMI; were it lost, the second one resets by itself. */
static void watchdog_handler(void) { board_reset(); }

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const handler vectors[16 + 32] = {
    interrupt_stack_top, reset_handler, watchdog_handler, fault_handler, fault_handler, fault_handler, fault_handler,
    [11] = fault_handler, [12] = fault_handler, [14] = fault_handler, [15] = fault_handler,
    [16 + IRQ_UART0_RX] = uart0_receive_interrupt, [16 + IRQ_UART1_RX] = uart1_receive_interrupt,
    [16 + IRQ_TIMER0] = timer0_interrupt, [16 + IRQ_TIMER1] = timer1_interrupt};
