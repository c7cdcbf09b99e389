/* Frames of every bad kind against the device, to be built with sanitizers. fuzz SEED FRAMES; prints what it did, ends with 1 when a promise is broken:
   the active model is always one of the two sound ones, and after any of it the device still says hello and answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32.h"
#include "device.h"
#include "flash.h"
#include "frame.h"
#include "hub.h"
#include "link.h"
#include "memory_ports.h"
#include "model.h"
#include "slots.h"
#include "state.h"

#define PAYLOAD_BYTES 3000u

static uint32_t seed;
static uint8_t  flash[FLASH_BYTES];
static hub_disk disk;
static uint8_t  images[2][SANDERLING_IMAGE_HEADER_BYTES + PAYLOAD_BYTES];
static uint8_t  kept[FRAME_MOST_BYTES]; /* a frame from before, to be replayed */
static uint32_t kept_bytes;
static uint32_t kinds[10];

static uint32_t any(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void fill(uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0u; i < count; i += 1u) {
        bytes[i] = (uint8_t)any(256u);
    }
}

static void push(const uint8_t *bytes, uint32_t count)
{
    if (count <= MEMORY_LINK_BYTES - to_device.count) {
        memcpy(to_device.bytes + to_device.count, bytes, count);
        to_device.count += count;
    }
}

static void garbage(void)
{
    uint8_t bytes[300];
    const uint32_t count = 1u + any(sizeof bytes);
    fill(bytes, count);
    if (any(2u) == 0u && count > 12u) {
        /* A believable head. */
        (void)put_u16(put_u8(put_u8(put_u8(put_u8(bytes, 0xA5u), 0x5Au), any(256u)), LINK_VERSION) + 4, any(1400u));
        (void)put_u16(bytes + 10, crc32(0u, bytes + 2, 8u) & 0xFFFFu);
    }
    push(bytes, count);
}

static const uint8_t requests[] = {TYPE_RESUME,   TYPE_STATUS,   TYPE_SET_TIME, TYPE_UPDATE_BEGIN, TYPE_UPDATE_CHUNK, TYPE_UPDATE_END,
                                   TYPE_SELF_TEST, TYPE_ACTIVATE, TYPE_ROLLBACK, TYPE_FEED,         0x1Fu,             TYPE_ENTRIES | FRAME_ANSWER};
static const uint32_t lengths[] = {16u, 0u, 8u, 164u, 1028u, 0u, 4u, 12u, 0u, 40u, 5u, 16u};

/* A sealed request of the right length, its fields anything. */
static void anything_sealed(void)
{
    uint8_t body[FRAME_MOST_BODY];
    const uint32_t which = any(sizeof requests);
    const uint32_t length = any(4u) == 0u ? any(FRAME_MOST_BODY) : lengths[which];
    memset(body, 0, sizeof body);
    fill(body, any(3u) == 0u ? length : any(length + 1u));
    if (requests[which] == TYPE_FEED) {
        (void)put_u16(body, any(5u));
    }
    hub_send(requests[which], body, length);
}

/* A request as a hub would make it, one field wrong. */
static void nearly_right(void)
{
    uint8_t body[FRAME_MOST_BODY];
    const uint32_t slot = any(2u);
    memset(body, 0, sizeof body);
    uint32_t length = 164u;
    uint8_t type = TYPE_UPDATE_BEGIN;
    if (any(3u) == 0u) {
        (void)hub_ask(TYPE_STATUS, body, 0u);
        type = TYPE_UPDATE_CHUNK;
        const uint32_t at = any(PAYLOAD_BYTES / 32u) * 32u;
        length = 4u + (1u + any(20u)) * 32u;
        (void)put_u32(body, at);
        memcpy(body + 4, images[slot] + at, length - 4u < sizeof images[0] - at ? length - 4u : sizeof images[0] - at);
    } else {
        body[0] = (uint8_t)slot;
        hub_send(TYPE_STATUS, body, 0u);
        memcpy(body + 36, images[slot], SANDERLING_IMAGE_HEADER_BYTES);
    }
    body[any(length)] ^= (uint8_t)(1u << any(8u));
    hub_send(type, body, length);
}

static void last_frame_damaged(void)
{
    const uint32_t before = to_device.count;
    anything_sealed();
    const uint32_t count = to_device.count - before;
    uint8_t *bytes = to_device.bytes + before;
    if (count == 0u) {
        return;
    }
    switch (any(4u)) {
    case 0: /* flipped */
        for (uint32_t flips = 1u + any(4u); flips > 0u; flips -= 1u) {
            bytes[any(count)] ^= (uint8_t)(1u << any(8u));
        }
        break;
    case 1: /* cut */
        to_device.count = before + any(count);
        break;
    case 2: /* kept for a replay, and sent */
        if (count <= sizeof kept) {
            memcpy(kept, bytes, count);
            kept_bytes = count;
        }
        break;
    default: /* sent twice */
        push(bytes, count);
        break;
    }
}

static void unsealed(void)
{
    static const uint8_t  types[] = {TYPE_CHALLENGE, TYPE_ENROLLED, TYPE_KNOCK, TYPE_REFUSED, TYPE_HELLO, TYPE_PROOF, TYPE_ENROL, 0u};
    static const uint32_t sizes[] = {64u, 160u, 0u, 20u, 84u, 56u, 116u, 9u};
    uint8_t payload[200];
    const uint32_t which = any(sizeof types);
    fill(payload, sizeof payload);
    hub_writes = true;
    frame_send(types[which], payload, any(4u) == 0u ? any(sizeof payload) : sizes[which]);
    hub_writes = false;
}

static void one(void)
{
    const uint32_t kind = any(10u);
    kinds[kind] += 1u;
    if (kind < 2u) {
        garbage();
    } else if (kind < 5u) {
        anything_sealed();
    } else if (kind < 7u) {
        nearly_right();
    } else if (kind == 7u) {
        last_frame_damaged();
    } else if (kind == 8u) {
        unsealed();
    } else {
        push(kept, kept_bytes);
    }
    hub_turns(1u + any(3u));
}

static int broken(const char *what, uint32_t frame_number)
{
    (void)printf("broken at frame %u: %s\n", (unsigned)frame_number, what);
    return 1;
}

/* What must hold whatever was sent. */
static int check(uint32_t frame_number)
{
    if (state.active != NO_SLOT && memcmp(slot_place(state.active), images[state.active], sizeof images[0]) != 0) {
        return broken("the active slot holds another image than the ones that were made", frame_number);
    }
    if (!hub_connect() || hub_ask(TYPE_STATUS, NULL, 0u) != 0) {
        return broken("the device does not answer any more", frame_number);
    }
    return 0;
}

static void come_back(void) { exit(broken("the device reset itself", 0u)); }

int main(int count, char **given)
{
    uint32_t switches = 0u;
    if (count != 3) {
        return 2;
    }
    seed = (uint32_t)strtoul(given[1], NULL, 10) * 2654435761u + 1u;
    const uint32_t frames = (uint32_t)strtoul(given[2], NULL, 10);
    on_reset = come_back;
    flash_attach(flash);
    hub_store = &disk;
    memcpy(disk.device, "dev_fuzz", 8u);
    state_open();
    state.flags = STATE_HAS_KEY;
    memcpy(state.device, disk.device, sizeof state.device);
    (void)state_write();
    device_start();
    for (uint32_t slot = 0u; slot < 2u; slot += 1u) {
        (void)hub_image(images[slot], slot, 1u + slot, PAYLOAD_BYTES);
    }
    for (uint32_t i = 0u; i < frames; i += 1u) {
        one();
        if (i % 500u == 499u) {
            const uint32_t slot = state.active == 0u ? 1u : 0u;
            const uint8_t before = state.active;
            if (check(i) != 0) {
                return 1;
            }
            disk.count = 0u;
            state.floor = 0u;
            (void)hub_update(images[slot], sizeof images[0], slot, 1u);
            switches += state.active != before ? 1u : 0u;
        }
    }
    const int result = check(frames);
    (void)printf("frames %u; sound %u, damaged %u, repeated %u; switches %u; boots %u\n", (unsigned)frames, (unsigned)link_count().sound,
                 (unsigned)link_count().damaged, (unsigned)link_count().repeated, (unsigned)switches, (unsigned)state.boots);
    return result;
}
