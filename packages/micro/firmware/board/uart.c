/* UART0 is the link: received bytes come by interrupt into a ring. The interrupt is masked while the ring is full, so that the byte waits in the UART and
   the sender is held back. UART1 is the console, polled. */
#include "board.h"
#include "registers.h"

#define RING_BYTES 2048u /* a power of two */

static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t written, taken; /* ever; their difference is what waits */

void uart_start(void);
void uart0_receive_interrupt(void);

void uart_start(void)
{
    written = 0u;
    taken = 0u;
    UART0->divider = 16u;
    UART1->divider = 16u;
    UART0->control = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT;
    UART1->control = UART_TX_ON | UART_RX_ON;
    NVIC_ENABLE = 1u << IRQ_UART0_RX;
}

/* Takes bytes from the UART while there is room; says by the mask whether there still is. Interrupts are off, or it is the interrupt. */
static void receive(void)
{
    while (written - taken < RING_BYTES) {
        UART0->interrupts = UART_RX_PENDING;
        if ((UART0->state & UART_RX_FULL) == 0u) {
            UART0->control = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT;
            /* A byte that came between the two lines above raised no interrupt. */
            if ((UART0->state & UART_RX_FULL) == 0u) {
                return;
            }
        }
        ring[written % RING_BYTES] = (uint8_t)UART0->data;
        written += 1u;
    }
    UART0->control = UART_TX_ON | UART_RX_ON;
    UART0->interrupts = UART_RX_PENDING;
}

void uart0_receive_interrupt(void) { receive(); }

size_t link_waiting(void) { return written - taken; }

size_t link_read(uint8_t *into, size_t most)
{
    size_t count = 0u;
    while (count < most && written != taken) {
        into[count] = ring[taken % RING_BYTES];
        taken += 1u;
        count += 1u;
    }
    if (count > 0u && (UART0->control & UART_RX_INTERRUPT) == 0u) {
        __asm__ volatile("cpsid i" ::: "memory");
        receive();
        __asm__ volatile("cpsie i" ::: "memory");
    }
    return count;
}

size_t link_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; i += 1u) {
        if ((UART0->state & UART_TX_FULL) != 0u) {
            const uint64_t since = board_milliseconds();
            while ((UART0->state & UART_TX_FULL) != 0u) {
                if (board_milliseconds() - since > LINK_STALL_MILLISECONDS) {
                    return i;
                }
            }
        }
        UART0->data = bytes[i];
    }
    return count;
}

static void put(uint8_t byte)
{
    while ((UART1->state & UART_TX_FULL) != 0u) {
    }
    UART1->data = byte;
}

void console_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; i += 1u) {
        put(bytes[i]);
    }
}

void console_text(const char *text)
{
    for (; *text != '\0'; text += 1) {
        put((uint8_t)*text);
    }
}

void console_unsigned(uint32_t number)
{
    uint8_t digits[10];
    size_t count = 0u;
    do {
        digits[count] = (uint8_t)('0' + number % 10u);
        count += 1u;
        number /= 10u;
    } while (number != 0u);
    while (count > 0u) {
        count -= 1u;
        put(digits[count]);
    }
}

void console_number(int32_t number)
{
    if (number < 0) {
        put('-');
    }
    console_unsigned(number < 0 ? 0u - (uint32_t)number : (uint32_t)number);
}

void console_hex(uint32_t number)
{
    console_text("0x");
    for (uint32_t shift = 32u; shift > 0u; shift -= 4u) {
        put((uint8_t)"0123456789abcdef"[(number >> (shift - 4u)) & 15u]);
    }
}

int console_read(void)
{
    return (UART1->state & UART_RX_FULL) != 0u ? (int)(UART1->data & 0xFFu) : -1;
}
