#include "state.h"

#include <string.h>

#include "crc32.h"
#include "flash.h"

#define MAGIC 0x54534E53u /* "SNST" */
#define RECORD_BYTES ((uint32_t)sizeof(device_state))
#define RECORDS (FLASH_SECTOR_BYTES / RECORD_BYTES)

device_state state;

/* Where the next record goes: sector (0 or 1) and place in it; RECORDS when the sector is full. */
static uint32_t current;
static uint32_t next;
/* The sector with the newest sound record: it is never erased. */
static uint32_t newest;

static const uint8_t *place(uint32_t sector, uint32_t record)
{
    return flash_sector(FLASH_SETTINGS_SECTOR + sector) + record * RECORD_BYTES;
}

static uint32_t crc_of(const device_state *record) { return crc32(0u, record, RECORD_BYTES - 4u); }

static bool read_record(uint32_t sector, uint32_t record, device_state *into)
{
    memcpy(into, place(sector, record), RECORD_BYTES);
    return into->magic == MAGIC && into->crc == crc_of(into);
}

/* The place behind the last one that was touched. */
static uint32_t first_erased(uint32_t sector)
{
    uint32_t record = RECORDS;
    while (record > 0u && flash_is_erased(place(sector, record - 1u), RECORD_BYTES)) {
        record -= 1u;
    }
    return record;
}

void state_open(void)
{
    device_state found;
    memset(&state, 0, sizeof state);
    state.active = NO_SLOT;
    state.previous = NO_SLOT;
    state.update_slot = NO_SLOT;
    current = 0u;
    for (uint32_t sector = 0u; sector < FLASH_SETTINGS_SECTORS; sector += 1u) {
        for (uint32_t record = 0u; record < RECORDS; record += 1u) {
            if (read_record(sector, record, &found) && found.revision > state.revision) {
                state = found;
                current = sector;
            }
        }
    }
    newest = current;
    next = first_erased(current);
}

static bool program(void)
{
    return flash_program(place(current, next), &state, RECORD_BYTES) == FLASH_OK &&
           memcmp(place(current, next), &state, RECORD_BYTES) == 0;
}

/* Goes on in the other sector, unless that is the one with the newest record (then the flash takes nothing any more). */
static bool turn_over(void)
{
    if (1u - current == newest && state.revision > 1u) {
        return false;
    }
    current = 1u - current;
    next = 0u;
    return flash_erase(FLASH_SETTINGS_SECTOR + current) == FLASH_OK &&
           flash_is_erased(place(current, 0u), FLASH_SECTOR_BYTES);
}

bool state_write(void)
{
    state.magic = MAGIC;
    state.revision += 1u;
    state.crc = crc_of(&state);
    for (uint32_t tries = 0u; tries < 3u; tries += 1u) {
        if (next >= RECORDS && !turn_over()) {
            return false;
        }
        const bool done = program();
        next += 1u;
        if (done) {
            newest = current;
            return true;
        }
    }
    return false;
}
