/* What the hub may ask: each request checks its body, does its work and writes an answer that begins with a status. */
#include <stddef.h>
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "device.h"
#include "handshake.h"
#include "info.h"
#include "link.h"
#include "model.h"
#include "outbox.h"
#include "slots.h"

#define BEGIN_BYTES 164u
#define FEED_MOST 64u
#define FEED_READING_BYTES 12u

static uint32_t status_only(uint8_t *answer, device_status status)
{
    (void)put_u32(answer, (uint32_t)status);
    return 4u;
}

static uint32_t status_and(uint8_t *answer, device_status status, uint32_t number)
{
    (void)put_u32(put_u32(answer, (uint32_t)status), number);
    return 8u;
}

/* An outbox of its own for every life of the flash: the hub's nonce is in the session key, so no two are alike. */
static bool new_outbox(const uint8_t *session)
{
    uint8_t mac[32];
    handshake_prove(session, "outbox", NULL, 0u, mac);
    mac[0] |= 1u;
    memcpy(state.outbox, mac, sizeof state.outbox);
    state.flags |= STATE_HAS_OUTBOX;
    return state_write();
}

static uint32_t resume(const uint8_t *body, const uint8_t *session, uint8_t *answer)
{
    uint64_t stored = get_u64(body + 8);
    if (!device_set_time((int64_t)get_u64(body))) {
        return status_only(answer, STATUS_MALFORMED);
    }
    /* A hub that knows numbers which were never given here: this flash is an old copy. */
    if ((state.flags & STATE_HAS_OUTBOX) == 0u || stored >= outbox_next()) {
        if (!new_outbox(session)) {
            return status_only(answer, STATUS_FLASH_FAILED);
        }
        stored = 0u;
    }
    outbox_resume(stored);
    return info_write(answer);
}

static uint32_t update_begin(const uint8_t *body, uint8_t *answer)
{
    uint32_t position;
    const device_status status = slot_begin(body[0], (body[1] & 1u) != 0u, body + 4, body + 36, &position);
    return status_and(answer, status, position);
}

static uint32_t update_chunk(const uint8_t *body, uint32_t bytes, uint8_t *answer)
{
    uint32_t position;
    const device_status status = slot_chunk(get_u32(body), body + 4, bytes - 4u, &position);
    return status_and(answer, status, position);
}

static uint32_t update_end(uint8_t *answer)
{
    uint32_t position;
    const device_status status = slot_end(&position);
    return status_and(answer, status, position);
}

static uint32_t self_test(const uint8_t *body, uint8_t *answer)
{
    int32_t vector = 0;
    uint32_t microseconds = 0u;
    const device_status status = slot_test(body[0], &vector, &microseconds);
    (void)put_u32(put_u32(put_u32(answer, (uint32_t)status), (uint32_t)vector), microseconds);
    return 12u;
}

static uint32_t activate(const uint8_t *body, uint8_t *answer)
{
    const slot_activation wanted = {body[0], (body[1] & 1u) != 0u, get_u16(body + 2), get_u32(body + 4), get_f32(body + 8)};
    return status_only(answer, slot_activate(&wanted));
}

static uint32_t feed(const uint8_t *body, uint32_t bytes, uint8_t *answer)
{
    const uint32_t count = get_u16(body);
    uint32_t taken = 0u;
    if (count > FEED_MOST || bytes != 4u + count * FEED_READING_BYTES) {
        return status_and(answer, STATUS_MALFORMED, 0u);
    }
    for (uint32_t i = 0u; i < count; i += 1u) {
        const uint8_t *at = body + 4u + i * FEED_READING_BYTES;
        taken += device_reading((int64_t)get_u64(at), get_f32(at + 8)) ? 1u : 0u;
        watchdog_feed();
    }
    return status_and(answer, STATUS_OK, taken);
}

/* Lengths of bodies: exact, or at least and at most. */
static bool has_length(uint8_t type, uint32_t bytes)
{
    switch (type) {
    case TYPE_RESUME:
        return bytes == 16u;
    case TYPE_SET_TIME:
        return bytes == 8u;
    case TYPE_UPDATE_BEGIN:
        return bytes == BEGIN_BYTES;
    case TYPE_UPDATE_CHUNK:
        return bytes > 4u && bytes <= 4u + 1024u;
    case TYPE_SELF_TEST:
        return bytes == 4u;
    case TYPE_ACTIVATE:
        return bytes == 12u;
    case TYPE_FEED:
        return bytes >= 4u;
    default:
        return bytes == 0u;
    }
}

uint32_t request_do(uint8_t type, const uint8_t *body, uint32_t bytes, const uint8_t *session, uint8_t *answer)
{
    if (!has_length(type, bytes)) {
        return status_only(answer, STATUS_MALFORMED);
    }
    watchdog_feed();
    switch (type) {
    case TYPE_RESUME:
        return resume(body, session, answer);
    case TYPE_STATUS:
        return info_write(answer);
    case TYPE_SET_TIME:
        return status_only(answer, device_set_time((int64_t)get_u64(body)) ? STATUS_OK : STATUS_MALFORMED);
    case TYPE_UPDATE_BEGIN:
        return update_begin(body, answer);
    case TYPE_UPDATE_CHUNK:
        return update_chunk(body, bytes, answer);
    case TYPE_UPDATE_END:
        return update_end(answer);
    case TYPE_SELF_TEST:
        return self_test(body, answer);
    case TYPE_ACTIVATE:
        return activate(body, answer);
    case TYPE_ROLLBACK:
        return status_only(answer, slot_rollback());
    case TYPE_FEED:
        return feed(body, bytes, answer);
    default:
        return status_only(answer, STATUS_UNSUPPORTED);
    }
}
