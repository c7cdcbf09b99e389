/* The device's ports on the emulated boards (and, but for the sensor, on silicon). */
#include <math.h>
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "ports.h"

/* DEVICE_SENSOR_MS: a simulated temperature every so many milliseconds; 0: the hub feeds the readings. */
#ifndef DEVICE_SENSOR_MS
#define DEVICE_SENSOR_MS 0u
#endif

uint32_t port_board(void) { return BOARD_ID; }

uint32_t port_address(const uint8_t *place) { return (uint32_t)(uintptr_t)place; }

const sanderling_entry *port_entry(const uint8_t *image, const sanderling_image_header *header)
{
    return (const sanderling_entry *)(const void *)(image + header->entry_offset);
}

void port_entropy(uint8_t bytes[16])
{
    memset(bytes, 0, 16u);
    (void)put_u64(bytes, board_ticks());
}

#if DEVICE_SENSOR_MS > 0u
/* A room: a day's swing, a slow draught and a little noise. */
bool port_sensor(int64_t now_ms, float *value)
{
    static uint64_t due;
    static uint32_t noise = 2463534242u;
    const uint64_t now = board_milliseconds();
    if (now < due) {
        return false;
    }
    due = (due == 0u ? now : due) + DEVICE_SENSOR_MS;
    noise ^= noise << 13;
    noise ^= noise >> 17;
    noise ^= noise << 5;
    const float day = (float)(now_ms % 86400000) / 86400000.0f * 6.2831853f;
    const float minutes = (float)(now_ms % 600000) / 600000.0f * 6.2831853f;
    *value = 21.0f + 2.0f * sinf(day) + 0.3f * sinf(minutes) + (float)(noise >> 8) * (0.1f / 16777216.0f);
    return true;
}
#else
bool port_sensor(int64_t now_ms, float *value)
{
    (void)now_ms;
    (void)value;
    return false;
}
#endif
