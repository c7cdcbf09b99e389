#include "hub.h"

#include <string.h>

#include "bytes.h"
#include "crc32.h"
#include "device.h"
#include "frame.h"
#include "handshake.h"
#include "host_model.h"
#include "image_check.h"
#include "link.h"
#include "memory_ports.h"
#include "ports.h"
#include "sha256.h"
#include "slots.h"

#define TURNS 1500u
#define NOON INT64_C(1767268800000)

hub_disk   *hub_store;
hub_session hub;

static frame_reader reader;
static uint8_t      challenge[64];

static void send_plain(uint8_t type, const uint8_t *payload, uint32_t bytes)
{
    hub_writes = true;
    frame_send(type, payload, bytes);
    hub_writes = false;
}

static void send_sealed(uint8_t type, uint32_t seq, const uint8_t *body, uint32_t bytes)
{
    uint8_t payload[FRAME_MOST_PAYLOAD];
    if (bytes > 0u) {
        memcpy(payload, body, bytes);
    }
    hub_writes = true;
    frame_send_sealed(hub.session, type, seq, payload, bytes);
    hub_writes = false;
}

void hub_send(uint8_t type, const uint8_t *body, uint32_t bytes)
{
    hub.sent += 1u;
    send_sealed(type, hub.sent, body, bytes);
}

static void answer_hello(const uint8_t *payload)
{
    static uint8_t counter;
    uint8_t parts[96];
    counter = (uint8_t)(counter + 1u);
    memcpy(challenge, payload, 16u);
    memset(challenge + 16, counter, 16u);
    memcpy(parts, hub_store->device, 64u);
    memcpy(parts + 64, challenge, 32u);
    handshake_prove(hub_store->key, "hub", parts, sizeof parts, challenge + 32);
    send_plain(TYPE_CHALLENGE, challenge, sizeof challenge);
}

static void take_proof(const uint8_t *payload)
{
    uint8_t parts[104];
    uint8_t mac[32];
    uint8_t body[16];
    memcpy(parts, hub_store->device, 64u);
    memcpy(parts + 64, challenge, 32u);
    memcpy(parts + 96, payload + 16, 8u);
    handshake_prove(hub_store->key, "device", parts, sizeof parts, mac);
    if (memcmp(payload, challenge + 16, 16u) != 0 || !same_secret(mac, payload + 24, sizeof mac)) {
        return;
    }
    memset(&hub, 0, sizeof hub);
    handshake_prove(hub_store->key, "session", parts, 96u, hub.session);
    if (memcmp(hub_store->outbox, payload + 16, 8u) != 0) {
        hub_store->stored = 0u;
        memcpy(hub_store->outbox, payload + 16, 8u);
    }
    (void)put_u64(put_u64(body, (uint64_t)NOON), hub_store->stored);
    hub_send(TYPE_RESUME, body, sizeof body);
}

static void store_entry(const uint8_t *at, uint32_t rest_bytes)
{
    hub_disk *disk = hub_store;
    const uint64_t number = get_u64(at + 4);
    if (number <= disk->stored) {
        disk->twice += 1u;
        return;
    }
    if (disk->count < HUB_MOST_ENTRIES) {
        hub_entry *entry = &disk->entries[disk->count];
        memset(entry, 0, sizeof *entry);
        entry->number = number;
        entry->time_ms = (int64_t)get_u64(at + 12);
        entry->kind = at[0];
        entry->value = at[0] == 1u ? get_f32(at + 20) : 0.0f;
        entry->event = at[0] == 3u ? get_u16(at + 20) : 0u;
        for (uint32_t i = 0u; at[0] == 3u && rest_bytes == 76u && i < 4u; i += 1u) {
            entry->numbers[i] = get_u32(at + 20 + 44 + 4u * i);
        }
        disk->count += 1u;
    }
    disk->stored = number;
}

static void take_entries(const frame *f, uint32_t bytes)
{
    uint8_t body[16];
    if (hub.silent || bytes < 8u) {
        return;
    }
    if (memcmp(hub_store->outbox, f->payload, 8u) != 0) {
        hub_store->stored = 0u;
        memcpy(hub_store->outbox, f->payload, 8u);
    }
    for (uint32_t at = 8u; at + 20u <= bytes;) {
        const uint32_t rest = get_u16(f->payload + at + 2);
        store_entry(f->payload + at, rest);
        at += 20u + rest;
    }
    (void)put_u64(put_bytes(body, hub_store->outbox, 8u), hub_store->stored);
    send_sealed((uint8_t)(TYPE_ENTRIES | FRAME_ANSWER), f->seq, body, sizeof body);
}

static void take(const frame *f)
{
    uint32_t bytes;
    if (f->type == TYPE_HELLO && f->length == 84u) {
        answer_hello(f->payload);
    } else if (f->type == TYPE_PROOF && f->length == 56u) {
        take_proof(f->payload);
    } else if (f->type >= TYPE_RESUME && frame_unseal(hub.session, f, &bytes)) {
        if (f->type == TYPE_ENTRIES) {
            take_entries(f, bytes);
        } else if (f->seq == hub.sent) {
            hub.live = true;
            hub.answer_bytes = bytes;
            memcpy(hub.answer, f->payload, bytes);
        }
    }
}

void hub_turns(uint32_t turns)
{
    for (uint32_t turn = 0u; turn < turns; turn += 1u) {
        frame f;
        uint32_t room;
        device_step();
        for (;;) {
            uint8_t *into = frame_room(&reader, &room);
            const uint32_t bytes = memory_take(&to_hub, into, room);
            frame_arrived(&reader, bytes, 0u);
            if (frame_next(&reader, 0u, &f)) {
                take(&f);
            } else if (bytes == 0u) {
                break;
            }
        }
    }
}

bool hub_connect(void)
{
    hub.live = false;
    send_plain(TYPE_KNOCK, challenge, 0u);
    for (uint32_t turn = 0u; turn < TURNS && !hub.live; turn += 1u) {
        hub_turns(1u);
    }
    return hub.live;
}

int hub_ask(uint8_t type, const uint8_t *body, uint32_t bytes)
{
    hub.answer_bytes = 0u;
    hub_send(type, body, bytes);
    for (uint32_t turn = 0u; turn < TURNS && hub.answer_bytes == 0u; turn += 1u) {
        hub_turns(1u);
    }
    return hub.answer_bytes >= 4u ? (int)get_u32(hub.answer) : -1;
}

uint32_t hub_image(uint8_t *into, uint32_t slot, uint32_t sequence, uint32_t payload_bytes)
{
    sanderling_image_header header;
    uint8_t *payload = into + sizeof header;
    sha256_state sha;
    memset(&header, 0, sizeof header);
    for (uint32_t i = 0u; i < payload_bytes; i += 1u) {
        payload[i] = (uint8_t)(i % 512u < 64u ? 0xFFu : i * 31u + sequence);
    }
    (void)put_f32(put_u32(put_u32(payload + 20, HOST_MODEL_FINE), 64u), (float)sequence);
    memcpy(header.magic, SANDERLING_IMAGE_MAGIC, sizeof header.magic);
    header.header_bytes = SANDERLING_IMAGE_HEADER_BYTES;
    header.abi = SANDERLING_IMAGE_ABI;
    header.image_bytes = SANDERLING_IMAGE_HEADER_BYTES + payload_bytes;
    header.slot_address = port_address(slot_place(slot));
    header.sequence = sequence;
    header.entry_offset = SANDERLING_IMAGE_HEADER_BYTES;
    header.board = SANDERLING_BOARD_HOST;
    (void)put_u32(header.release, sequence);
    sha256_begin(&sha);
    sha256_add(&sha, payload, payload_bytes);
    sha256_end(&sha, header.payload_sha256);
    header.crc32 = crc32(0u, &header, sizeof header - 4u);
    memcpy(into, &header, sizeof header);
    return header.image_bytes;
}

static int write_image(const uint8_t *image, uint32_t bytes, uint32_t slot)
{
    uint8_t body[FRAME_MOST_BODY];
    memset(body, 0, 36u);
    body[0] = (uint8_t)slot;
    image_tag(image, body + 4);
    memcpy(body + 36, image, SANDERLING_IMAGE_HEADER_BYTES);
    int status = hub_ask(TYPE_UPDATE_BEGIN, body, 36u + SANDERLING_IMAGE_HEADER_BYTES);
    for (uint32_t turn = 0u; status == STATUS_OK && turn < 4096u && get_u32(hub.answer + 4) < bytes; turn += 1u) {
        const uint32_t position = get_u32(hub.answer + 4);
        const uint32_t some = bytes - position < 1024u ? bytes - position : 1024u;
        (void)put_u32(body, position);
        memcpy(body + 4, image + position, some);
        status = hub_ask(TYPE_UPDATE_CHUNK, body, some + 4u);
    }
    return status == STATUS_OK ? hub_ask(TYPE_UPDATE_END, body, 0u) : status;
}

int hub_update(const uint8_t *image, uint32_t bytes, uint32_t slot, uint32_t predictions)
{
    uint8_t body[12];
    int status = write_image(image, bytes, slot);
    /* Half a tag costs the last sector, which is then written again. */
    if (status == STATUS_WRONG_OFFSET) {
        status = write_image(image, bytes, slot);
    }
    if (status == STATUS_OK) {
        memset(body, 0, sizeof body);
        body[0] = (uint8_t)slot;
        (void)put_u32(put_u16(body + 2, predictions), 10u);
        status = hub_ask(TYPE_ACTIVATE, body, sizeof body);
    }
    return status;
}

int hub_feed(int64_t time_ms, float value)
{
    uint8_t body[16];
    (void)put_f32(put_u64(put_u16(put_u16(body, 1u), 0u), (uint64_t)time_ms), value);
    return hub_ask(TYPE_FEED, body, sizeof body) == STATUS_OK ? (int)get_u32(hub.answer + 4) : -1;
}
