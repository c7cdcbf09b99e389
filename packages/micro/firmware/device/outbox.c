#include "outbox.h"

#include <string.h>

#include "bytes.h"
#include "crc32.h"
#include "flash.h"

#define SECTORS FLASH_OUTBOX_SECTORS
#define MAGIC 0x424F4E53u /* "SNOB" */
#define WORD FLASH_WORD_BYTES
#define ENTRY_MARK 4u
#define ENTRY_LOSSES 5u
#define HEAD_BYTES 24u
#define MOST_RECORD ((HEAD_BYTES + ENTRY_MOST_REST + WORD - 1u) / WORD * WORD)
/* The end of every sector is kept for what rotate() carries over. */
#define TAIL_BYTES 8192u
#define LIMIT (FLASH_SECTOR_BYTES - TAIL_BYTES)
#define MOST_CARRIED 16u
#define EVENT_REST 76u
/* Where a carried event keeps the number that it had. */
#define CARRIED_AT (HEAD_BYTES + 80u)
/* Confirmed entries from one mark to the next. */
#define MARK_EVERY 256u

typedef struct {
    uint32_t sector; /* 0 to SECTORS - 1 */
    uint32_t offset;
} cursor;

typedef struct {
    uint32_t       kind;
    uint32_t       bytes; /* of the rest */
    uint32_t       record_bytes;
    uint64_t       number;
    int64_t        time_ms;
    const uint8_t *rest;
} record;

static struct {
    bool          valid[SECTORS];
    cursor        head;        /* where the next record goes */
    uint32_t      head_number; /* of the head's sector */
    cursor        first;       /* at or before the first entry that is not confirmed */
    uint64_t      next;
    uint64_t      confirmed;
    uint64_t      marked;
    uint64_t      sent; /* the highest number that may have reached the hub */
    uint32_t      waiting;
    int64_t       newest_ms;
    outbox_losses losses;
    bool          counted; /* the tail already has the counts of the sector that goes */
} box;

static const uint8_t *place(cursor at) { return flash_sector(FLASH_OUTBOX_SECTOR + at.sector) + at.offset; }

/* Whether a sound record begins here. */
static bool read_record(cursor at, record *out)
{
    static const uint8_t zero[4] = {0u, 0u, 0u, 0u};
    const uint8_t *bytes = place(at);
    out->kind = bytes[0];
    out->record_bytes = bytes[1] * WORD;
    out->bytes = get_u16(bytes + 2);
    if (out->kind == 0u || out->kind > ENTRY_LOSSES || out->record_bytes == 0u ||
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
    return true;
}

/* Passes damaged words, one by one, up to a record, erased flash or the end of the sector. */
static bool walk(cursor *at, record *out)
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

/* The next record of this sector at or behind *at, which moves onto it. Between the last record and the tail there may be a gap. */
static bool next_in_sector(cursor *at, record *out)
{
    cursor tail = {at->sector, LIMIT};
    if (walk(at, out)) {
        return true;
    }
    if (at->offset < LIMIT && walk(&tail, out)) {
        *at = tail;
        return true;
    }
    return false;
}

/* The same over all sectors, up to the head. */
static bool next_record(cursor *at, record *out)
{
    while (!next_in_sector(at, out)) {
        if (at->sector == box.head.sector) {
            return false;
        }
        at->sector = (at->sector + 1u) % SECTORS;
        at->offset = WORD;
    }
    return true;
}

static bool is_entry(const record *r) { return r->kind <= ENTRY_EVENT; }

static cursor oldest(void)
{
    cursor at = {box.head.sector, WORD};
    for (uint32_t back = 1u; back < SECTORS; back += 1u) {
        const uint32_t sector = (box.head.sector + SECTORS - back) % SECTORS;
        if (!box.valid[sector]) {
            break;
        }
        at.sector = sector;
    }
    return at;
}

static void note_losses(const record *r)
{
    if (r->kind == ENTRY_LOSSES && r->bytes >= 32u) {
        box.losses.readings = get_u32(r->rest);
        box.losses.reports = get_u32(r->rest + 4);
        box.losses.events = get_u32(r->rest + 8);
        box.losses.total = get_u32(r->rest + 12);
        box.losses.first_ms = (int64_t)get_u64(r->rest + 16);
        box.losses.last_ms = (int64_t)get_u64(r->rest + 24);
    }
    if (r->kind == ENTRY_EVENT && r->bytes >= 2u && get_u16(r->rest) == ENTRY_EVENT_DROPPED) {
        const uint32_t total = box.losses.total;
        memset(&box.losses, 0, sizeof box.losses);
        box.losses.total = total;
    }
}

static void note(const record *r)
{
    note_losses(r);
    if (r->kind == ENTRY_MARK && (uint64_t)r->time_ms > box.confirmed) {
        box.confirmed = (uint64_t)r->time_ms;
    }
    if (!is_entry(r)) {
        return;
    }
    if (r->number >= box.next) {
        box.next = r->number + 1u;
    }
    if (r->kind == ENTRY_READING && r->time_ms > box.newest_ms) {
        box.newest_ms = r->time_ms;
    }
}

static uint32_t whole_bytes(uint32_t rest_bytes) { return (HEAD_BYTES + rest_bytes + WORD - 1u) / WORD * WORD; }

/* Programs a record at the head, which moves behind it, sound or not. */
static bool program(uint32_t kind, uint64_t number, int64_t time_ms, const uint8_t *rest, uint32_t bytes, uint64_t was)
{
    uint8_t made[MOST_RECORD];
    const uint32_t whole = whole_bytes(was > 0u ? CARRIED_AT + 8u - HEAD_BYTES : bytes);
    memset(made, 0, whole);
    (void)put_u16(put_u8(put_u8(made, kind), whole / WORD), bytes);
    (void)put_u64(put_u64(made + 8, number), (uint64_t)time_ms);
    if (bytes > 0u) {
        memcpy(made + HEAD_BYTES, rest, bytes);
    }
    if (was > 0u) {
        (void)put_u64(made + CARRIED_AT, was);
    }
    (void)put_u32(made + 4, crc32(0u, made, whole));
    const uint8_t *to = place(box.head);
    const bool done = flash_program(to, made, whole) == FLASH_OK && memcmp(to, made, whole) == 0;
    box.head.offset += whole;
    return done;
}

static bool begin_sector(uint32_t sector)
{
    uint8_t header[WORD];
    memset(header, 0, sizeof header);
    (void)put_u32(put_u32(header, MAGIC), box.head_number + 1u);
    (void)put_u32(header + WORD - 4u, crc32(0u, header, WORD - 4u));
    const uint8_t *start = flash_sector(FLASH_OUTBOX_SECTOR + sector);
    box.valid[sector] = false;
    if (!flash_is_erased(start, FLASH_SECTOR_BYTES) && flash_erase(FLASH_OUTBOX_SECTOR + sector) != FLASH_OK) {
        return false;
    }
    if (flash_program(start, header, WORD) != FLASH_OK || memcmp(start, header, WORD) != 0) {
        return false;
    }
    box.valid[sector] = true;
    box.head.sector = sector;
    box.head.offset = WORD;
    box.head_number += 1u;
    return true;
}

/* Whether an event has been carried over before a power cut. */
static bool is_carried(uint64_t number)
{
    cursor at = {box.head.sector, LIMIT};
    record r;
    while (next_in_sector(&at, &r)) {
        if (r.kind == ENTRY_EVENT && r.record_bytes >= CARRIED_AT + 8u &&
            get_u64(place(at) + CARRIED_AT) == number) {
            return true;
        }
        at.offset += r.record_bytes;
    }
    return false;
}

static bool carry(const record *r)
{
    if (is_carried(r->number)) {
        return true;
    }
    if (r->number <= box.sent || r->bytes != EVENT_REST || box.head.offset + 2u * MOST_RECORD > FLASH_SECTOR_BYTES) {
        return false;
    }
    const uint64_t number = box.next;
    box.next += 1u;
    if (!program(ENTRY_EVENT, number, r->time_ms, r->rest, r->bytes, r->number)) {
        return false;
    }
    box.waiting += 1u;
    return true;
}

static void count_lost(const record *r)
{
    outbox_losses *l = &box.losses;
    l->readings += r->kind == ENTRY_READING ? 1u : 0u;
    l->reports += r->kind == ENTRY_REPORT ? 1u : 0u;
    l->events += r->kind == ENTRY_EVENT ? 1u : 0u;
    l->total += 1u;
    if (r->kind == ENTRY_READING) {
        l->first_ms = l->first_ms == 0 || r->time_ms < l->first_ms ? r->time_ms : l->first_ms;
        l->last_ms = r->time_ms > l->last_ms ? r->time_ms : l->last_ms;
    }
}

/* What of the oldest sector is not confirmed: carried over or counted. */
static void let_go(uint32_t sector)
{
    cursor at = {sector, WORD};
    record r;
    uint32_t carried = 0u;
    uint32_t gone = 0u;
    /* The events' records come before the counts: after a power cut between them all of this is done again, without the events that are there. */
    while (next_in_sector(&at, &r)) {
        at.offset += r.record_bytes;
        if (!is_entry(&r) || r.number <= box.confirmed) {
            continue;
        }
        gone += 1u;
        if (r.kind == ENTRY_EVENT && carried < MOST_CARRIED && carry(&r)) {
            carried += 1u;
        } else if (!box.counted) {
            count_lost(&r);
        }
    }
    box.waiting -= gone < box.waiting ? gone : box.waiting;
    if (gone > carried && !box.counted) {
        uint8_t rest[32];
        const outbox_losses *l = &box.losses;
        uint8_t *to = put_u32(put_u32(put_u32(put_u32(rest, l->readings), l->reports), l->events), l->total);
        (void)put_u64(put_u64(to, (uint64_t)l->first_ms), (uint64_t)l->last_ms);
        (void)program(ENTRY_LOSSES, 0u, 0, rest, sizeof rest, 0u);
    }
    if (box.first.sector == sector) {
        box.first.sector = (sector + 1u) % SECTORS;
        box.first.offset = WORD;
    }
}

/* Goes on in the sector behind the head, which is the oldest one. */
static bool rotate(void)
{
    const uint32_t sector = (box.head.sector + 1u) % SECTORS;
    if (box.valid[sector]) {
        if (box.head.offset < LIMIT) {
            box.head.offset = LIMIT;
        }
        let_go(sector);
    }
    box.counted = false;
    return begin_sector(sector);
}

static bool read_header(uint32_t sector, uint32_t *number)
{
    const uint8_t *header = flash_sector(FLASH_OUTBOX_SECTOR + sector);
    *number = get_u32(header + 4);
    return get_u32(header) == MAGIC && get_u32(header + WORD - 4u) == crc32(0u, header, WORD - 4u);
}

/* Which sectors belong to the ring: the newest, and those that lead up to it without a gap. */
static void find_sectors(void)
{
    uint32_t numbers[SECTORS];
    bool sound[SECTORS];
    for (uint32_t sector = 0u; sector < SECTORS; sector += 1u) {
        sound[sector] = read_header(sector, &numbers[sector]);
        if (sound[sector] && numbers[sector] > box.head_number) {
            box.head_number = numbers[sector];
            box.head.sector = sector;
        }
    }
    for (uint32_t back = 0u; box.head_number > 0u && back < SECTORS; back += 1u) {
        const uint32_t sector = (box.head.sector + SECTORS - back) % SECTORS;
        if (!sound[sector] || numbers[sector] + back != box.head_number) {
            break;
        }
        box.valid[sector] = true;
    }
}

/* Behind the last record, sound or damaged, of the newest sector. */
static void find_head(void)
{
    record r;
    const bool tail = !flash_is_erased(flash_sector(FLASH_OUTBOX_SECTOR + box.head.sector) + LIMIT, TAIL_BYTES);
    box.head.offset = tail ? LIMIT : WORD;
    while (walk(&box.head, &r)) {
        box.head.offset += r.record_bytes;
    }
}

void outbox_open(void)
{
    record r;
    memset(&box, 0, sizeof box);
    box.next = 1u;
    find_sectors();
    if (box.head_number == 0u) {
        box.head.sector = SECTORS - 1u;
        (void)begin_sector(0u);
        return;
    }
    cursor at = oldest();
    while (next_record(&at, &r)) {
        note(&r);
        if (r.kind == ENTRY_LOSSES && at.sector == box.head.sector && at.offset >= LIMIT) {
            box.counted = true;
        }
        at.offset += r.record_bytes;
    }
    find_head();
    box.marked = box.confirmed;
    /* Until the hub says otherwise, all that is here may have been sent. */
    box.sent = box.next - 1u;
    box.first = oldest();
    at = box.first;
    while (next_record(&at, &r)) {
        at.offset += r.record_bytes;
        box.waiting += is_entry(&r) && r.number > box.confirmed ? 1u : 0u;
    }
    /* A rotation that a power cut ended (the head is in its tail) is finished by outbox_resume(), which knows what the hub has, or by the next entry. */
}

/* More than half of the ring waits. */
static bool is_half_full(void)
{
    const uint32_t sectors = (box.head.sector + SECTORS - box.first.sector) % SECTORS;
    return box.waiting > 0u && sectors * FLASH_SECTOR_BYTES + box.head.offset > box.first.offset + SECTORS / 2u * FLASH_SECTOR_BYTES;
}

uint64_t outbox_add(uint32_t kind, int64_t time_ms, const uint8_t *rest, uint32_t bytes)
{
    if (bytes > ENTRY_MOST_REST || (kind == ENTRY_REPORT && is_half_full())) {
        return 0u;
    }
    for (uint32_t tries = 0u; tries < 4u; tries += 1u) {
        if (box.head.offset + whole_bytes(bytes) > LIMIT && !rotate()) {
            return 0u;
        }
        /* A number is used up even if its record fails: it may be half there. */
        const uint64_t number = box.next;
        box.next += 1u;
        if (program(kind, number, time_ms, rest, bytes, 0u)) {
            const record r = {kind, bytes, 0u, number, time_ms, rest};
            box.waiting += 1u;
            note(&r);
            return number;
        }
    }
    return 0u;
}

uint64_t outbox_next(void) { return box.next; }
uint32_t outbox_waiting(void) { return box.waiting; }
int64_t outbox_newest_ms(void) { return box.newest_ms; }
const outbox_losses *outbox_lost(void) { return &box.losses; }

uint32_t outbox_batch(uint8_t *into, uint32_t most, uint64_t *last)
{
    const uint64_t until = *last;
    uint32_t used = 0u;
    cursor at = box.first;
    record r;
    while (next_record(&at, &r)) {
        if (is_entry(&r) && r.number > box.confirmed) {
            if (ENTRY_WIRE_HEAD + r.bytes > most - used || r.number > until) {
                break;
            }
            uint8_t *to = put_u16(put_u16(into + used, r.kind), r.bytes);
            to = put_u64(put_u64(to, r.number), (uint64_t)r.time_ms);
            (void)put_bytes(to, r.rest, r.bytes);
            used += ENTRY_WIRE_HEAD + r.bytes;
            *last = r.number;
        }
        at.offset += r.record_bytes;
    }
    if (used > 0u && *last > box.sent) {
        box.sent = *last;
    }
    return used;
}

void outbox_confirm(uint64_t number)
{
    record r;
    if (number <= box.confirmed || number >= box.next) {
        return;
    }
    while (next_record(&box.first, &r)) {
        if (is_entry(&r) && r.number > number) {
            break;
        }
        if (is_entry(&r) && r.number > box.confirmed && box.waiting > 0u) {
            box.waiting -= 1u;
        }
        box.first.offset += r.record_bytes;
    }
    box.confirmed = number;
    if (number - box.marked >= MARK_EVERY && box.head.offset + WORD <= LIMIT) {
        box.marked = number;
        (void)program(ENTRY_MARK, 0u, (int64_t)number, NULL, 0u, 0u);
    }
}

void outbox_resume(uint64_t number)
{
    box.sent = number;
    outbox_confirm(number);
    if (box.head.offset > LIMIT) {
        (void)rotate();
    }
}

void outbox_recent(uint32_t most, void (*take)(int64_t time_ms, float value))
{
    uint32_t readings = 0u;
    for (uint32_t round = 0u; round < 2u; round += 1u) {
        uint32_t passed = 0u;
        cursor at = oldest();
        record r;
        while (next_record(&at, &r)) {
            at.offset += r.record_bytes;
            if (r.kind != ENTRY_READING || r.bytes < 4u) {
                continue;
            }
            passed += 1u;
            if (round == 1u && passed + most > readings) {
                take(r.time_ms, get_f32(r.rest));
            }
        }
        readings = passed;
    }
}
