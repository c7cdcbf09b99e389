/* Frames on the link. The layout and all types stand in packages/wire/src/link/protocol.ts. */
#ifndef SANDERLING_FRAME_H
#define SANDERLING_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define LINK_VERSION 1u
#define FRAME_MOST_PAYLOAD 1152u
#define FRAME_HEAD_BYTES 12u
#define FRAME_MOST_BYTES (FRAME_HEAD_BYTES + FRAME_MOST_PAYLOAD + 4u)
#define FRAME_SEAL_BYTES 16u
#define FRAME_MOST_BODY (FRAME_MOST_PAYLOAD - FRAME_SEAL_BYTES)
#define FRAME_ANSWER 0x80u
/* Longest silence inside a frame, milliseconds. */
#ifndef FRAME_SILENCE_MS
#define FRAME_SILENCE_MS 250u
#endif

typedef struct {
    uint8_t        type;
    uint16_t       length;
    uint32_t       seq;
    const uint8_t *head; /* the eight bytes that a seal covers */
    const uint8_t *payload;
} frame;

/* Finds frames in what arrives. It holds one frame's bytes. */
typedef struct {
    uint8_t  held[FRAME_MOST_BYTES];
    uint32_t count;
    uint32_t done; /* bytes of the frame that was handed out last */
    uint64_t last_byte_ms;
    uint32_t sound;
    uint32_t damaged;
} frame_reader;

/* Room for bytes that arrive; never empty after frame_next() said no. */
uint8_t *frame_room(frame_reader *reader, uint32_t *bytes);
void     frame_arrived(frame_reader *reader, uint32_t bytes, uint64_t now_ms);
/* The next whole frame; it is good until the next call. Gives up frames whose rest has not come in time. */
bool frame_next(frame_reader *reader, uint64_t now_ms, frame *out);

/* Sends a frame as it is. */
void frame_send(uint8_t type, const uint8_t *payload, uint32_t length);
/* Seals and sends. `payload` has room for FRAME_SEAL_BYTES behind `body_bytes`. */
void frame_send_sealed(const uint8_t *session, uint8_t type, uint32_t seq, uint8_t *payload, uint32_t body_bytes);
/* Whether the seal of a frame is this session's; then *body_bytes is the length without it. */
bool frame_unseal(const uint8_t *session, const frame *f, uint32_t *body_bytes);

#endif
