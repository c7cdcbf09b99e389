#include "frame.h"

#include <string.h>

#include "board.h"
#include "bytes.h"
#include "crc32.h"
#include "sha256.h"

#define SYNC_0 0xA5u
#define SYNC_1 0x5Au

typedef enum { FRAME_MORE, FRAME_BAD, FRAME_WHOLE } frame_found;

static void drop(frame_reader *reader, uint32_t bytes)
{
    reader->count -= bytes;
    memmove(reader->held, reader->held + bytes, reader->count);
}

/* Gives up the first byte, and what cannot begin a frame behind it. */
static void skip(frame_reader *reader)
{
    uint32_t bytes = 1u;
    if (reader->count >= 2u && reader->held[0] == SYNC_0 && reader->held[1] == SYNC_1) {
        reader->damaged += 1u;
    }
    while (bytes < reader->count && reader->held[bytes] != SYNC_0) {
        bytes += 1u;
    }
    drop(reader, bytes);
}

static frame_found look(const frame_reader *reader, frame *out)
{
    const uint8_t *at = reader->held;
    if (reader->count == 0u) {
        return FRAME_MORE;
    }
    if (at[0] != SYNC_0) {
        return FRAME_BAD;
    }
    if (reader->count < 2u) {
        return FRAME_MORE;
    }
    if (at[1] != SYNC_1) {
        return FRAME_BAD;
    }
    if (reader->count < FRAME_HEAD_BYTES) {
        return FRAME_MORE;
    }
    const uint32_t length = get_u16(at + 8);
    if (get_u16(at + 10) != (crc32(0u, at + 2, 8u) & 0xFFFFu) || length > FRAME_MOST_PAYLOAD || at[3] != LINK_VERSION) {
        return FRAME_BAD;
    }
    if (reader->count < FRAME_HEAD_BYTES + length + 4u) {
        return FRAME_MORE;
    }
    if (get_u32(at + FRAME_HEAD_BYTES + length) != crc32(0u, at + 2, FRAME_HEAD_BYTES - 2u + length)) {
        return FRAME_BAD;
    }
    out->type = at[2];
    out->seq = get_u32(at + 4);
    out->length = (uint16_t)length;
    out->head = at + 2;
    out->payload = at + FRAME_HEAD_BYTES;
    return FRAME_WHOLE;
}

uint8_t *frame_room(frame_reader *reader, uint32_t *bytes)
{
    *bytes = FRAME_MOST_BYTES - reader->count;
    return reader->held + reader->count;
}

void frame_arrived(frame_reader *reader, uint32_t bytes, uint64_t now_ms)
{
    reader->count += bytes;
    reader->last_byte_ms = now_ms;
}

bool frame_next(frame_reader *reader, uint64_t now_ms, frame *out)
{
    if (reader->done > 0u) {
        drop(reader, reader->done);
        reader->done = 0u;
    }
    for (;;) {
        const frame_found found = look(reader, out);
        if (found == FRAME_WHOLE) {
            reader->sound += 1u;
            reader->done = FRAME_HEAD_BYTES + out->length + 4u;
            return true;
        }
        const bool late = now_ms - reader->last_byte_ms > FRAME_SILENCE_MS;
        if (found == FRAME_MORE && (reader->count == 0u || !late)) {
            return false;
        }
        skip(reader);
    }
}

static void make_head(uint8_t *head, uint8_t type, uint32_t seq, uint32_t length)
{
    uint8_t *at = put_u8(put_u8(head, SYNC_0), SYNC_1);
    at = put_u8(put_u8(at, type), LINK_VERSION);
    at = put_u16(put_u32(at, seq), length);
    (void)put_u16(at, crc32(0u, head + 2, 8u));
}

static void send(const uint8_t *head, const uint8_t *payload, uint32_t length)
{
    uint8_t tail[4];
    uint32_t crc = crc32(0u, head + 2, FRAME_HEAD_BYTES - 2u);
    crc = crc32(crc, payload, length);
    (void)put_u32(tail, crc);
    (void)link_write(head, FRAME_HEAD_BYTES);
    (void)link_write(payload, length);
    (void)link_write(tail, sizeof tail);
}

void frame_send(uint8_t type, const uint8_t *payload, uint32_t length)
{
    uint8_t head[FRAME_HEAD_BYTES];
    make_head(head, type, 0u, length);
    send(head, payload, length);
}

static void seal_of(const uint8_t *session, const uint8_t *head, const uint8_t *body, uint32_t bytes, uint8_t mac[SHA256_BYTES])
{
    hmac_state hmac;
    hmac_begin(&hmac, session);
    hmac_add(&hmac, head, 8u);
    hmac_add(&hmac, body, bytes);
    hmac_end(&hmac, mac);
}

void frame_send_sealed(const uint8_t *session, uint8_t type, uint32_t seq, uint8_t *payload, uint32_t body_bytes)
{
    uint8_t head[FRAME_HEAD_BYTES];
    uint8_t mac[SHA256_BYTES];
    const uint32_t length = body_bytes + FRAME_SEAL_BYTES;
    make_head(head, type, seq, length);
    seal_of(session, head + 2, payload, body_bytes, mac);
    memcpy(payload + body_bytes, mac, FRAME_SEAL_BYTES);
    send(head, payload, length);
}

bool frame_unseal(const uint8_t *session, const frame *f, uint32_t *body_bytes)
{
    uint8_t mac[SHA256_BYTES];
    if (f->length < FRAME_SEAL_BYTES) {
        return false;
    }
    *body_bytes = (uint32_t)f->length - FRAME_SEAL_BYTES;
    seal_of(session, f->head, f->payload, *body_bytes, mac);
    return same_secret(mac, f->payload + *body_bytes, FRAME_SEAL_BYTES);
}
