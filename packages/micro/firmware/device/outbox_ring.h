/* The flash behind the outbox: records, one behind the other, in a ring of sectors. What a record means is the outbox's matter; that it is whole, and where the
   next one goes after any power cut, is the matter of this file.

   Sector: a header of one word (magic, sector number, CRC), then records of whole words:
     0 kind 1, words 1, bytes of the rest 2   4 CRC-32 of the record with this field 0   8 number   16 time   24 rest (see entries.ts), padded with zeros
   The last 8 KiB of a sector, its tail, are for what is written when the ring turns. */
#ifndef SANDERLING_OUTBOX_RING_H
#define SANDERLING_OUTBOX_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "flash.h"

#define RING_SECTORS FLASH_OUTBOX_SECTORS
#define RING_MOST_KIND 5u
/* Longest rest of a record. */
#define RING_MOST_REST 472u

/* Where a record lies. */
typedef struct {
    uint32_t sector; /* 0 to RING_SECTORS - 1 */
    uint32_t offset;
} ring_place;

typedef struct {
    uint32_t       kind;
    uint32_t       bytes; /* of the rest */
    uint64_t       number;
    int64_t        time_ms;
    const uint8_t *rest;
    uint64_t       was; /* the number that a record of 76 bytes had before it was written anew when the ring turned; 0: none */
    uint32_t       record_bytes;
} ring_record;

/* Finds the sectors that belong together and the place of the next record; begins a first sector where there is none. */
void ring_open(void);

/* Where the oldest sector begins, and where the next record goes. */
ring_place ring_oldest(void);
ring_place ring_head(void);
/* Where the tail of the head's sector begins. */
ring_place ring_tail(void);

/* The first sound record at or behind *at, which moves onto it; damaged words are passed. To the next record: at->offset += record_bytes. */
bool ring_next(ring_place *at, ring_record *out);
bool ring_next_in_sector(ring_place *at, ring_record *out);

/* Whether a record fits in front of the tail, or (of any length) into it. */
bool ring_has_room(uint32_t rest_bytes);
bool ring_has_tail_room(void);
/* Programs a record at the head, which moves behind it, sound or not. */
bool ring_write(const ring_record *made);

/* The sector that the next turn begins anew, and whether it holds records. */
uint32_t ring_following(bool *holds);
/* The head moves into the tail, if it is not there. */
void ring_enter_tail(void);
/* Erases the sector behind the head and goes on there. */
bool ring_turn(void);

#endif
