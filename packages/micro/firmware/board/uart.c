/* UART0 is the link: received bytes come by interrupt into a ring. The interrupt is masked while the ring is full, so that the byte waits in the UART and
   the sender is held back. UART1 is the console: polled, or after console_listen() received as the link is. */
#include "board.h"
#include "registers.h"

#define RING_BYTES 2048u /* a power of two */

typedef struct {
    volatile uint8_t  bytes[RING_BYTES]; /* so that a byte is read before its place is given back */
    volatile uint32_t written, taken; /* ever; their difference is what waits */
} receiver;

static receiver from_link;
static receiver from_console;
static bool     listening;

void uart_start(void);
void uart0_receive_interrupt(void);
void uart1_receive_interrupt(void);

void uart_start(void)
{
    from_link.written = from_link.taken = 0u;
    from_console.written = from_console.taken = 0u;
    listening = false;
    UART0->divider = 16u;
    UART1->divider = 16u;
    UART0->control = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT;
    UART1->control = UART_TX_ON | UART_RX_ON;
    NVIC_ENABLE = 1u << IRQ_UART0_RX;
}

/* Takes bytes from the UART while there is room; says by the mask whether there still is. Interrupts are off, or it is the interrupt. */
static void receive(uart_registers *uart, receiver *into)
{
    while (into->written - into->taken < RING_BYTES) {
        uart->interrupts = UART_RX_PENDING;
        if ((uart->state & UART_RX_FULL) == 0u) {
            uart->control = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT;
            /* A byte that came between the two lines above raised no interrupt. */
            if ((uart->state & UART_RX_FULL) == 0u) {
                return;
            }
        }
        into->bytes[into->written % RING_BYTES] = (uint8_t)uart->data;
        into->written += 1u;
    }
    uart->control = UART_TX_ON | UART_RX_ON;
    uart->interrupts = UART_RX_PENDING;
}

void uart0_receive_interrupt(void) { receive(UART0, &from_link); }
void uart1_receive_interrupt(void) { receive(UART1, &from_console); }

void console_listen(void)
{
    listening = true;
    NVIC_ENABLE = 1u << IRQ_UART1_RX;
    /* What came before raised no interrupt. */
    __asm__ volatile("cpsid i" ::: "memory");
    receive(UART1, &from_console);
    __asm__ volatile("cpsie i" ::: "memory");
}

static size_t take(uart_registers *uart, receiver *from, uint8_t *into, size_t most)
{
    size_t count = 0u;
    while (count < most && from->written != from->taken) {
        into[count] = from->bytes[from->taken % RING_BYTES];
        from->taken += 1u;
        count += 1u;
    }
    if (count > 0u && (uart->control & UART_RX_INTERRUPT) == 0u) {
        __asm__ volatile("cpsid i" ::: "memory");
        receive(uart, from);
        __asm__ volatile("cpsie i" ::: "memory");
    }
    return count;
}

size_t link_waiting(void) { return from_link.written - from_link.taken; }
size_t link_read(uint8_t *into, size_t most) { return take(UART0, &from_link, into, most); }

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

size_t console_waiting(void) { return from_console.written - from_console.taken; }

int console_read(void)
{
    uint8_t byte;
    if (listening) {
        return take(UART1, &from_console, &byte, 1u) == 1u ? (int)byte : -1;
    }
    return (UART1->state & UART_RX_FULL) != 0u ? (int)(UART1->data & 0xFFu) : -1;
}
