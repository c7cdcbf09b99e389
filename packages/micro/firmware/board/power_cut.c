#include "power_cut.h"

#include <stddef.h>
#include <string.h>

#include "flash.h"

/* xorshift32 (Marsaglia 2003). */
static uint32_t next(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

void power_cut_tear(uint8_t *work, uint32_t bytes, uint32_t seed)
{
    uint32_t random = seed * 2654435761u | 1u;
    (void)next(&random);
    for (uint32_t at = 0u; at < bytes; at += FLASH_WORD_BYTES) {
        const uint32_t chance = next(&random) >> 30;
        for (uint32_t i = 0u; chance > 0u && i < FLASH_WORD_BYTES; i += 1u) {
            work[at + i] = chance == 1u ? 0xFFu : (uint8_t)(next(&random) >> 24);
        }
    }
}

#ifndef SANDERLING_HOST
#include "board.h"

static volatile power_cut_page *const page = (volatile power_cut_page *)(FLASH_BASE + FLASH_BYTES);

static void step(uint32_t number, uint8_t *work, uint32_t bytes)
{
    (void)number;
    page->steps += 1u;
    if (page->steps != page->cut_at) {
        return;
    }
    if (page->seed != 0u) {
        power_cut_tear(work, bytes, page->seed);
    }
    board_exit(POWER_CUT_STATUS);
}

void power_cut_arm(void)
{
    if (page->magic == POWER_CUT_MAGIC) {
        flash_set_hook(step);
    }
}
#endif
