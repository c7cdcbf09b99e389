#include "outbox_ring.h"

#include <string.h>

#include "bytes.h"
#include "crc32.h"

#define MAGIC 0x424F4E53u /* "SNOB" */
#define WORD FLASH_WORD_BYTES
#define HEAD_BYTES 24u
#define MOST_RECORD ((HEAD_BYTES + RING_MOST_REST + WORD - 1u) / WORD * WORD)
#define TAIL_BYTES 8192u
#define LIMIT (FLASH_SECTOR_BYTES - TAIL_BYTES)
/* Rests of this length have room for the number that the record had before. */
#define WAS_REST 76u
#define WAS_AT (HEAD_BYTES + 80u)

static struct {
    bool       valid[RING_SECTORS];
    ring_place head;        /* where the next record goes */
    uint32_t   head_number; /* of the head's sector */
} ring;

static const uint8_t *sector_of(uint32_t sector) { return flash_sector(FLASH_OUTBOX_SECTOR + sector); }
static const uint8_t *place(ring_place at) { return sector_of(at.sector) + at.offset; }

ring_place ring_head(void) { return ring.head; }

ring_place ring_tail(void)
{
    const ring_place at = {ring.head.sector, LIMIT};
    return at;
}

/* Whether a sound record begins here. */
static bool read_record(ring_place at, ring_record *out)
{
    static const uint8_t zero[4] = {0u, 0u, 0u, 0u};
    const uint8_t *bytes = place(at);
    out->kind = bytes[0];
    out->record_bytes = bytes[1] * WORD;
    out->bytes = get_u16(bytes + 2);
    if (out->kind == 0u || out->kind > RING_MOST_KIND || out->record_bytes == 0u ||
        out->record_bytes > FLASH_SECTOR_BYTES - at.offset || out->bytes > out->record_bytes - HEAD_BYTES) {
        return false;
    }
    uint32_t crc = crc32(0u, bytes, 4u);
    crc = crc32(crc, zero, sizeof zero);
    if (get_u32(bytes + 4) != crc32(crc, bytes + 8, out->record_bytes - 8u)) {
        return false;
    }
    out->number = get_u64(bytes + 8);
    out->time_ms = (int64_t)get_u64(bytes + 16);
    out->rest = bytes + HEAD_BYTES;
    out->was = out->bytes == WAS_REST && out->record_bytes >= WAS_AT + 8u ? get_u64(bytes + WAS_AT) : 0u;
    return true;
}

/* Passes damaged words, one by one, up to a record, erased flash or the end of the sector. */
static bool walk(ring_place *at, ring_record *out)
{
    while (at->offset + WORD <= FLASH_SECTOR_BYTES) {
        if (read_record(*at, out)) {
            return true;
        }
        if (flash_is_erased(place(*at), WORD)) {
            return false;
        }
        at->offset += WORD;
    }
    return false;
}

/* Between the last record and the tail there may be a gap. */
bool ring_next_in_sector(ring_place *at, ring_record *out)
{
    ring_place tail = {at->sector, LIMIT};
    if (walk(at, out)) {
        return true;
    }
    if (at->offset < LIMIT && walk(&tail, out)) {
        *at = tail;
        return true;
    }
    return false;
}

bool ring_next(ring_place *at, ring_record *out)
{
    while (!ring_next_in_sector(at, out)) {
        if (at->sector == ring.head.sector) {
            return false;
        }
        at->sector = (at->sector + 1u) % RING_SECTORS;
        at->offset = WORD;
    }
    return true;
}

ring_place ring_oldest(void)
{
    ring_place at = {ring.head.sector, WORD};
    for (uint32_t back = 1u; back < RING_SECTORS; back += 1u) {
        const uint32_t sector = (ring.head.sector + RING_SECTORS - back) % RING_SECTORS;
        if (!ring.valid[sector]) {
            break;
        }
        at.sector = sector;
    }
    return at;
}

static uint32_t whole_bytes(uint32_t rest_bytes) { return (HEAD_BYTES + rest_bytes + WORD - 1u) / WORD * WORD; }

bool ring_has_room(uint32_t rest_bytes) { return ring.head.offset + whole_bytes(rest_bytes) <= LIMIT; }
bool ring_has_tail_room(void) { return ring.head.offset + 2u * MOST_RECORD <= FLASH_SECTOR_BYTES; }

bool ring_write(const ring_record *made)
{
    uint8_t bytes[MOST_RECORD];
    const uint32_t whole = whole_bytes(made->bytes);
    memset(bytes, 0, whole);
    (void)put_u16(put_u8(put_u8(bytes, made->kind), whole / WORD), made->bytes);
    (void)put_u64(put_u64(bytes + 8, made->number), (uint64_t)made->time_ms);
    if (made->bytes > 0u) {
        memcpy(bytes + HEAD_BYTES, made->rest, made->bytes);
    }
    if (made->bytes == WAS_REST) {
        (void)put_u64(bytes + WAS_AT, made->was);
    }
    (void)put_u32(bytes + 4, crc32(0u, bytes, whole));
    const uint8_t *to = place(ring.head);
    const bool done = flash_program(to, bytes, whole) == FLASH_OK && memcmp(to, bytes, whole) == 0;
    ring.head.offset += whole;
    return done;
}

uint32_t ring_following(bool *holds)
{
    const uint32_t sector = (ring.head.sector + 1u) % RING_SECTORS;
    *holds = ring.valid[sector];
    return sector;
}

void ring_enter_tail(void)
{
    if (ring.head.offset < LIMIT) {
        ring.head.offset = LIMIT;
    }
}

bool ring_turn(void)
{
    const uint32_t sector = (ring.head.sector + 1u) % RING_SECTORS;
    const uint8_t *start = sector_of(sector);
    uint8_t header[WORD];
    memset(header, 0, sizeof header);
    (void)put_u32(put_u32(header, MAGIC), ring.head_number + 1u);
    (void)put_u32(header + WORD - 4u, crc32(0u, header, WORD - 4u));
    ring.valid[sector] = false;
    if (!flash_is_erased(start, FLASH_SECTOR_BYTES) && flash_erase(FLASH_OUTBOX_SECTOR + sector) != FLASH_OK) {
        return false;
    }
    if (flash_program(start, header, WORD) != FLASH_OK || memcmp(start, header, WORD) != 0) {
        return false;
    }
    ring.valid[sector] = true;
    ring.head.sector = sector;
    ring.head.offset = WORD;
    ring.head_number += 1u;
    return true;
}

static bool read_header(uint32_t sector, uint32_t *number)
{
    const uint8_t *header = sector_of(sector);
    *number = get_u32(header + 4);
    return get_u32(header) == MAGIC && get_u32(header + WORD - 4u) == crc32(0u, header, WORD - 4u);
}

/* Which sectors belong to the ring: the newest, and those that lead up to it without a gap. */
static void find_sectors(void)
{
    uint32_t numbers[RING_SECTORS];
    bool sound[RING_SECTORS];
    for (uint32_t sector = 0u; sector < RING_SECTORS; sector += 1u) {
        sound[sector] = read_header(sector, &numbers[sector]);
        if (sound[sector] && numbers[sector] > ring.head_number) {
            ring.head_number = numbers[sector];
            ring.head.sector = sector;
        }
    }
    for (uint32_t back = 0u; ring.head_number > 0u && back < RING_SECTORS; back += 1u) {
        const uint32_t sector = (ring.head.sector + RING_SECTORS - back) % RING_SECTORS;
        if (!sound[sector] || numbers[sector] + back != ring.head_number) {
            break;
        }
        ring.valid[sector] = true;
    }
}

/* Behind the last record, sound or damaged, of the newest sector. */
static void find_head(void)
{
    ring_record r;
    const bool tail = !flash_is_erased(sector_of(ring.head.sector) + LIMIT, TAIL_BYTES);
    ring.head.offset = tail ? LIMIT : WORD;
    while (walk(&ring.head, &r)) {
        ring.head.offset += r.record_bytes;
    }
}

void ring_open(void)
{
    memset(&ring, 0, sizeof ring);
    find_sectors();
    if (ring.head_number > 0u) {
        find_head();
        return;
    }
    ring.head.sector = RING_SECTORS - 1u;
    (void)ring_turn();
}
