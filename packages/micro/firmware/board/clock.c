/* Time: timer 0 counts 25 MHz ticks down over 32 bits, its interrupt counts the wraps; timer 1 ends a wait. The watchdog. */
#include "board.h"
#include "registers.h"

static volatile uint32_t wraps;

void clock_start(void);
void timer0_interrupt(void);
void timer1_interrupt(void);

void clock_start(void)
{
    wraps = 0u;
    TIMER0->reload = 0xFFFFFFFFu;
    TIMER0->value = 0xFFFFFFFFu;
    TIMER0->control = TIMER_ON | TIMER_INTERRUPT;
    NVIC_ENABLE = (1u << IRQ_TIMER0) | (1u << IRQ_TIMER1);
    /* QEMU looks again for bytes that came while the UARTs were off only when something happens: let something happen, and that before
       main, where instructions may be counted. */
    TIMER1->reload = 25u;
    TIMER1->value = 25u;
    TIMER1->control = TIMER_ON | TIMER_INTERRUPT;
}

void timer0_interrupt(void)
{
    TIMER0->interrupts = 1u;
    wraps += 1u;
}

void timer1_interrupt(void)
{
    TIMER1->control = 0u;
    TIMER1->interrupts = 1u;
}

uint64_t board_ticks(void)
{
    uint32_t high;
    uint32_t low;
    uint32_t unserved;
    do {
        high = wraps;
        low = ~TIMER0->value;
        unserved = TIMER0->interrupts & 1u; /* a wrap whose interrupt is still held back */
    } while (high != wraps);
    if (unserved != 0u && low < 0x80000000u) {
        high += 1u;
    }
    return ((uint64_t)high << 32) | low;
}

uint64_t board_milliseconds(void) { return board_ticks() / BOARD_TICKS_PER_MILLISECOND; }

void board_wait(uint32_t milliseconds)
{
    const uint64_t ticks = (uint64_t)milliseconds * BOARD_TICKS_PER_MILLISECOND;
    const uint32_t most = ticks < 0xFFFFFFFFu ? (uint32_t)ticks : 0xFFFFFFFFu;
    if (most == 0u) {
        return;
    }
    const uint64_t end = board_ticks() + most;
    TIMER1->reload = most;
    TIMER1->value = most;
    TIMER1->control = TIMER_ON | TIMER_INTERRUPT;
    /* With interrupts held back a wake-up between the question and the sleep is not lost: wfi returns when one is pending. */
    for (;;) {
        __asm__ volatile("cpsid i" ::: "memory");
        const bool done = link_waiting() > 0u || console_waiting() > 0u || board_ticks() >= end || TIMER1->control == 0u;
        if (!done) {
            __asm__ volatile("dsb\n\twfi" ::: "memory");
        }
        __asm__ volatile("cpsie i\n\tisb" ::: "memory");
        if (done) {
            break;
        }
    }
    TIMER1->control = 0u;
    TIMER1->interrupts = 1u;
}

void watchdog_start(uint32_t milliseconds)
{
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG->load = milliseconds * BOARD_TICKS_PER_MILLISECOND;
    WATCHDOG->control = 3u; /* bite by NMI, then by reset */
    WATCHDOG_LOCK = 0u;
}

void watchdog_feed(void)
{
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG->clear = 1u;
    WATCHDOG_LOCK = 0u;
}
