#include "outbox.h"

#include <string.h>

#include "bytes.h"
#include "outbox_ring.h"

#define ENTRY_MARK 4u
#define ENTRY_LOSSES 5u
#define LOSSES_REST 32u
#define MOST_CARRIED 16u
#define EVENT_REST 76u
#if ENTRY_MOST_REST > RING_MOST_REST
#error "an entry must fit into a record"
#endif
/* Confirmed entries from one mark to the next. */
#define MARK_EVERY 256u

static struct {
    ring_place    first; /* at or before the first entry that is not confirmed */
    uint64_t      next;
    uint64_t      confirmed;
    uint64_t      marked;
    uint64_t      sent; /* the highest number that may have reached the hub */
    uint32_t      waiting;
    int64_t       newest_ms;
    outbox_losses losses;
    bool          counted; /* the tail already has the counts of the sector that goes */
} box;

static bool is_entry(const ring_record *r) { return r->kind <= ENTRY_EVENT; }

static void note_losses(const ring_record *r)
{
    if (r->kind == ENTRY_LOSSES && r->bytes >= LOSSES_REST) {
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

static void note(const ring_record *r)
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

/* Whether an event has been carried over before a power cut. */
static bool is_carried(uint64_t number)
{
    ring_place at = ring_tail();
    ring_record r;
    while (ring_next_in_sector(&at, &r)) {
        if (r.kind == ENTRY_EVENT && r.was == number) {
            return true;
        }
        at.offset += r.record_bytes;
    }
    return false;
}

static bool carry(const ring_record *r)
{
    if (is_carried(r->number)) {
        return true;
    }
    /* What was counted as lost before a power cut must not arrive after it. */
    if (box.counted || r->number <= box.sent || r->bytes != EVENT_REST || !ring_has_tail_room()) {
        return false;
    }
    ring_record moved = *r;
    moved.number = box.next;
    moved.was = r->number;
    box.next += 1u;
    if (!ring_write(&moved)) {
        return false;
    }
    box.waiting += 1u;
    return true;
}

static void count_lost(const ring_record *r)
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

/* The counts end what is written into the tail. */
static void write_losses(void)
{
    uint8_t rest[LOSSES_REST];
    const outbox_losses *l = &box.losses;
    uint8_t *to = put_u32(put_u32(put_u32(put_u32(rest, l->readings), l->reports), l->events), l->total);
    (void)put_u64(put_u64(to, (uint64_t)l->first_ms), (uint64_t)l->last_ms);
    const ring_record made = {.kind = ENTRY_LOSSES, .bytes = sizeof rest, .rest = rest};
    (void)ring_write(&made);
}

/* What of the oldest sector is not confirmed: carried over or counted. */
static void let_go(uint32_t sector)
{
    ring_place at = {sector, 0u};
    ring_record r;
    uint32_t carried = 0u;
    uint32_t gone = 0u;
    /* The events' records come before the counts: after a power cut between them all of this is done again, without the events that are there. */
    while (ring_next_in_sector(&at, &r)) {
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
    if (gone > 0u && !box.counted) {
        write_losses();
    }
    if (box.first.sector == sector) {
        box.first.sector = (sector + 1u) % RING_SECTORS;
        box.first.offset = 0u;
    }
}

/* Goes on in the sector behind the head, which is the oldest one. */
static bool rotate(void)
{
    bool holds;
    const uint32_t sector = ring_following(&holds);
    if (holds) {
        ring_enter_tail();
        let_go(sector);
    }
    box.counted = false;
    return ring_turn();
}

void outbox_open(void)
{
    ring_record r;
    memset(&box, 0, sizeof box);
    box.next = 1u;
    ring_open();
    ring_place at = ring_oldest();
    while (ring_next(&at, &r)) {
        note(&r);
        if (r.kind == ENTRY_LOSSES && at.sector == ring_head().sector && at.offset >= ring_tail().offset) {
            box.counted = true;
        }
        at.offset += r.record_bytes;
    }
    box.marked = box.confirmed;
    /* Until the hub says otherwise, all that is here may have been sent. */
    box.sent = box.next - 1u;
    box.first = ring_oldest();
    at = box.first;
    while (ring_next(&at, &r)) {
        at.offset += r.record_bytes;
        box.waiting += is_entry(&r) && r.number > box.confirmed ? 1u : 0u;
    }
    /* A rotation that a power cut ended (the head is in its tail) is finished by outbox_resume(), which knows what the hub has, or by the next entry. */
}

/* More than half of the ring waits. */
static bool is_half_full(void)
{
    const ring_place head = ring_head();
    const uint32_t sectors = (head.sector + RING_SECTORS - box.first.sector) % RING_SECTORS;
    return box.waiting > 0u && sectors * FLASH_SECTOR_BYTES + head.offset > box.first.offset + RING_SECTORS / 2u * FLASH_SECTOR_BYTES;
}

uint64_t outbox_add(uint32_t kind, int64_t time_ms, const uint8_t *rest, uint32_t bytes)
{
    if (bytes > ENTRY_MOST_REST || (kind == ENTRY_REPORT && is_half_full())) {
        return 0u;
    }
    for (uint32_t tries = 0u; tries < 4u; tries += 1u) {
        if (!ring_has_room(bytes) && !rotate()) {
            return 0u;
        }
        /* A number is used up even if its record fails: it may be half there. */
        const ring_record made = {.kind = kind, .bytes = bytes, .number = box.next, .time_ms = time_ms, .rest = rest};
        box.next += 1u;
        if (ring_write(&made)) {
            box.waiting += 1u;
            note(&made);
            return made.number;
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
    ring_place at = box.first;
    ring_record r;
    while (ring_next(&at, &r)) {
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
    ring_record r;
    if (number <= box.confirmed || number >= box.next) {
        return;
    }
    while (ring_next(&box.first, &r)) {
        if (is_entry(&r) && r.number > number) {
            break;
        }
        if (is_entry(&r) && r.number > box.confirmed && box.waiting > 0u) {
            box.waiting -= 1u;
        }
        box.first.offset += r.record_bytes;
    }
    box.confirmed = number;
    if (number - box.marked >= MARK_EVERY && ring_has_room(0u)) {
        box.marked = number;
        const ring_record mark = {.kind = ENTRY_MARK, .time_ms = (int64_t)number};
        (void)ring_write(&mark);
    }
}

void outbox_resume(uint64_t number)
{
    box.sent = number;
    outbox_confirm(number);
    if (ring_head().offset > ring_tail().offset) {
        (void)rotate();
    }
}

void outbox_recent(uint32_t most, void (*take)(int64_t time_ms, float value))
{
    uint32_t readings = 0u;
    for (uint32_t round = 0u; round < 2u; round += 1u) {
        uint32_t passed = 0u;
        ring_place at = ring_oldest();
        ring_record r;
        while (ring_next(&at, &r)) {
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
