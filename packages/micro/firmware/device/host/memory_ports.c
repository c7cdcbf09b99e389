#include "memory_ports.h"

#include <stdlib.h>
#include <string.h>

/* board.h has the firmware's main, which takes no arguments. */
#define main board_main
#include "board.h"
#undef main
#include "ports.h"

memory_link to_device;
memory_link to_hub;
bool hub_writes;
void (*on_reset)(void) = abort;

static uint64_t time_ms = 1u;

uint64_t board_milliseconds(void) { return time_ms; }
uint64_t board_ticks(void) { return time_ms * BOARD_TICKS_PER_MILLISECOND; }
void board_wait(uint32_t milliseconds) { time_ms += to_device.count > 0u ? 1u : milliseconds; }
void watchdog_start(uint32_t milliseconds) { (void)milliseconds; }
void watchdog_feed(void) {}

void board_reset(void)
{
    on_reset();
    abort();
}

uint32_t memory_take(memory_link *link, uint8_t *into, uint32_t most)
{
    const uint32_t some = most < link->count ? most : link->count;
    memcpy(into, link->bytes, some);
    link->count -= some;
    memmove(link->bytes, link->bytes + some, link->count);
    return some;
}

size_t link_read(uint8_t *into, size_t most) { return memory_take(&to_device, into, (uint32_t)most); }

size_t link_write(const uint8_t *bytes, size_t count)
{
    memory_link *link = hub_writes ? &to_device : &to_hub;
    if (count > MEMORY_LINK_BYTES - link->count) {
        return 0u;
    }
    memcpy(link->bytes + link->count, bytes, count);
    link->count += (uint32_t)count;
    return count;
}

bool port_sensor(int64_t *time_ms, float *value)
{
    (void)time_ms;
    (void)value;
    return false;
}

void port_entropy(uint8_t bytes[16]) { memset(bytes, 7, 16); }
