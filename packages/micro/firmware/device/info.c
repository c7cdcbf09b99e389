#include "info.h"

#include <string.h>

#include "board.h"
#include "bytes.h"
#include "device.h"
#include "link.h"
#include "model.h"
#include "outbox.h"
#include "ports.h"
#include "slots.h"

static uint8_t *put_slot(uint8_t *at, uint32_t slot)
{
    sanderling_image_header header;
    const slot_state found = slot_look(slot, &header);
    if (found != SLOT_READY) {
        memset(&header, 0, sizeof header);
    }
    at = put_u32(put_u32(at, port_address(slot_place(slot))), slot_capacity());
    at = put_u32(put_u32(at, (uint32_t)found), header.sequence);
    return put_bytes(at, header.release, sizeof header.release);
}

static uint8_t *put_update(uint8_t *at)
{
    sanderling_image_header header;
    memset(&header, 0, sizeof header);
    if (state.update_slot != NO_SLOT) {
        memcpy(&header, state.update_header, sizeof header);
    }
    at = put_u32(put_u32(put_u32(at, state.update_slot), state.update_position), header.image_bytes);
    return put_bytes(at, header.release, sizeof header.release);
}

static uint8_t *put_firmware(uint8_t *at)
{
    memset(at, 0, 16u);
    (void)put_bytes(at, DEVICE_FIRMWARE, (uint32_t)sizeof DEVICE_FIRMWARE - 1u);
    return at + 16;
}

uint32_t info_write(uint8_t *answer)
{
    const link_counts counts = link_count();
    const int64_t now = device_now();
    uint8_t *at = put_u32(answer, 0u);
    at = put_firmware(put_u32(put_u32(at, SANDERLING_ENTRY_ABI), port_board()));
    at = put_u32(at, state.boots);
    at = put_u8(put_u8(at, state.active), state.previous);
    at = put_u8(put_u8(at, state.probation), now > 0 ? 1u : 0u);
    at = put_slot(put_slot(at, 0u), 1u);
    at = put_u32(put_u32(at, state.floor), DEVICE_MODEL_BYTES);
    at = put_update(at);
    at = put_u64(put_bytes(at, state.outbox, sizeof state.outbox), outbox_next());
    at = put_u32(put_u32(at, outbox_waiting()), outbox_lost()->total);
    at = put_u64(put_u64(at, board_milliseconds()), (uint64_t)now);
    at = put_u32(put_u32(put_u32(at, counts.sound), counts.damaged), counts.repeated);
    at = put_f32(put_f32(at, model.drift_score), model.rolling_error);
    at = put_u32(put_u32(at, model.predictions), model.alarm ? 1u : 0u);
    return (uint32_t)(at - answer);
}
