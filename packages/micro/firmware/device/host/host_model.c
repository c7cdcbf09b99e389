#include "host_model.h"

#include <math.h>
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "flash.h"
#include "ports.h"

#define HOST_FLASH_ADDRESS 0x08000000u

typedef struct {
    uint32_t behaviour;
    float    bias;
    uint32_t readings;
    uint32_t alarm;
} host_model;

/* Of the image that was looked at last; start() copies it into the model's memory, where it then lives. */
static host_model       looked_at;
static sanderling_entry entry;

static int32_t self_test(void *memory)
{
    memset(memory, 0xA5, sizeof(host_model));
    return looked_at.behaviour == HOST_MODEL_FAILS_TEST ? 3 : 0;
}

static void start(void *memory) { memcpy(memory, &looked_at, sizeof looked_at); }

static void reading(void *memory, int64_t time_ms, float value, sanderling_answer *answer)
{
    host_model *self = (host_model *)memory;
    self->readings += 1u;
    const bool third = self->readings >= 3u;
    if (third && self->behaviour == HOST_MODEL_DIES) {
        board_reset();
    }
    while (third && self->behaviour == HOST_MODEL_HANGS) {
    }
    const uint32_t alarm = value > 50.0f ? 1u : 0u;
    answer->flags = SANDERLING_FORECAST | SANDERLING_RESIDUAL | (alarm != 0u ? SANDERLING_DRIFT : 0u);
    answer->flags |= alarm > self->alarm ? SANDERLING_DRIFT_RAISED : 0u;
    answer->flags |= alarm < self->alarm ? SANDERLING_DRIFT_ENDED : 0u;
    self->alarm = alarm;
    answer->horizon = 4u;
    for (uint32_t step = 0u; step < 4u; step += 1u) {
        answer->forecast[step] = value + self->bias + (float)step;
    }
    if (third && self->behaviour == HOST_MODEL_NOT_FINITE) {
        answer->forecast[0] = NAN;
        answer->flags |= SANDERLING_NOT_FINITE;
    }
    answer->forecast_time_ms = time_ms;
    answer->residual = self->bias;
    answer->drift_score = alarm != 0u ? 0.9f : 0.1f;
    answer->rolling_error = self->behaviour == HOST_MODEL_LARGE_ERROR ? 9.0f : 0.25f;
}

const sanderling_entry *port_entry(const uint8_t *image, const sanderling_image_header *header)
{
    const uint8_t *at = image + header->entry_offset + 20u;
    looked_at.behaviour = get_u32(at);
    looked_at.bias = get_f32(at + 8);
    looked_at.readings = 0u;
    looked_at.alarm = 0u;
    entry.abi = SANDERLING_ENTRY_ABI;
    entry.memory_bytes = get_u32(at + 4);
    entry.self_test = self_test;
    entry.start = start;
    entry.reading = reading;
    return &entry;
}

uint32_t port_board(void) { return SANDERLING_BOARD_HOST; }

uint32_t port_address(const uint8_t *place) { return HOST_FLASH_ADDRESS + (uint32_t)(place - flash_base()); }
