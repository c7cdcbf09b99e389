/* The outbox: what the hub has not yet confirmed, in a ring of flash sectors. An entry is in flash before it is sent, so a power cut costs nothing
   that was counted, and a number is never given twice.

   Bound: four sectors of 128 KiB, 11,500 to 15,300 readings. When no more fits, the oldest sector goes; what was lost is counted by kind and told the
   hub as `readings.dropped`. Reports are not taken while more than half of the ring waits. Events (alarms, releases) of the sector that goes are
   carried over, 16 at most, under new numbers, unless they may have been sent already: those count as lost, for nothing may arrive twice.

   Kinds of records (outbox_ring.h) beside the entries: a mark (4): everything up to its time field, used as a number, is confirmed; the counts of what was
   lost (5). When the ring goes round, the events that are carried over and then the counts are written into the sector's tail before the oldest sector is
   erased, so that a power cut between is seen and made good. */
#ifndef SANDERLING_OUTBOX_H
#define SANDERLING_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#define ENTRY_READING 1u
#define ENTRY_REPORT 2u
#define ENTRY_EVENT 3u
/* The event that tells of losses (the first two bytes of its rest). */
#define ENTRY_EVENT_DROPPED 9u

/* Longest rest of an entry: a report of 96 steps. */
#define ENTRY_MOST_REST 472u
/* Bytes in front of the rest on the wire. */
#define ENTRY_WIRE_HEAD 20u

typedef struct {
    uint32_t readings;
    uint32_t reports;
    uint32_t events;
    uint32_t total; /* since the outbox was made; the others since they were told */
    int64_t  first_ms;
    int64_t  last_ms;
} outbox_losses;

/* Looks through the flash; what is confirmed is known only roughly until outbox_confirm() hears it from the hub. */
void outbox_open(void);

/* Adds an entry durably. Returns its number, or 0 when it was not taken (the flash fails, or a report while half of the ring waits). */
uint64_t outbox_add(uint32_t kind, int64_t time_ms, const uint8_t *rest, uint32_t bytes);

/* Number that the next entry will get. */
uint64_t outbox_next(void);
/* Entries not confirmed. */
uint32_t outbox_waiting(void);
/* Time of the newest reading; 0 when there is none. */
int64_t outbox_newest_ms(void);

/* Writes as many unconfirmed entries as fit, oldest first, none above *last, in wire form; returns the bytes (0: nothing waits), *last then is the last one. */
uint32_t outbox_batch(uint8_t *into, uint32_t most, uint64_t *last);
/* The hub has everything up to `number` for good. */
void outbox_confirm(uint64_t number);
/* The same at the beginning of a session: nothing above `number` has reached the hub. */
void outbox_resume(uint64_t number);

/* What was lost to the bound. An event of the type ENTRY_EVENT_DROPPED resets it but for the total. */
const outbox_losses *outbox_lost(void);

/* Calls back with the newest `most` readings, oldest first. */
void outbox_recent(uint32_t most, void (*take)(int64_t time_ms, float value));

#endif
