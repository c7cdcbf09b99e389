/* The flash driver of the emulated boards and of host builds: see flash.h. On silicon the same interface drives the flash controller. */
#include "flash.h"

#include <stddef.h>
#include <string.h>

#ifdef SANDERLING_HOST
static uint8_t *memory_of_flash;
void flash_attach(uint8_t *memory) { memory_of_flash = memory; }
#else
#ifndef FLASH_BASE
#error "FLASH_BASE: say where the flash lies (the board table does)"
#endif
#include "registers.h"
#define memory_of_flash ((uint8_t *)FLASH_BASE)
#endif

#define ERASE_STEPS 4u
#define PART_BYTES (FLASH_SECTOR_BYTES / ERASE_STEPS)
#define HALF_WORD (FLASH_WORD_BYTES / 2u)

/* An erase knows no order: one that is cut short may leave a sector's beginning or its end. */
static const uint32_t order[ERASE_STEPS] = {1u, 3u, 0u, 2u};

static flash_hook hook_of_tests;
static uint32_t steps;

static void step(uint8_t *work, uint32_t bytes)
{
    steps += 1u;
    if (hook_of_tests != NULL) {
        hook_of_tests(steps, work, bytes);
    }
}

/* Stores must reach the flash in the order written: a compiler may otherwise move them past the hook, or past the caller's next word. What is written may
   be code: the core forgets what it fetched before. */
static void settle(void)
{
#ifdef SANDERLING_HOST
    __asm__ volatile("" ::: "memory");
#else
    __asm__ volatile("dsb" ::: "memory");
    SCB_ICIALLU = 0u;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
}

void flash_set_hook(flash_hook hook)
{
    hook_of_tests = hook;
    steps = 0u;
}

const uint8_t *flash_base(void) { return memory_of_flash; }

const uint8_t *flash_sector(uint32_t sector) { return memory_of_flash + (size_t)sector * FLASH_SECTOR_BYTES; }

bool flash_is_erased(const void *address, uint32_t bytes)
{
    const uint8_t *at = (const uint8_t *)address;
    for (uint32_t i = 0u; i < bytes; i += 1u) {
        if (at[i] != 0xFFu) {
            return false;
        }
    }
    return true;
}

flash_status flash_erase(uint32_t sector)
{
    if (sector >= FLASH_SECTORS) {
        return FLASH_OUTSIDE;
    }
    uint8_t *at = memory_of_flash + (size_t)sector * FLASH_SECTOR_BYTES;
    for (uint32_t part = 0u; part < ERASE_STEPS; part += 1u) {
        step(at, part > 0u ? FLASH_SECTOR_BYTES : 0u);
        memset(at + order[part] * PART_BYTES, 0xFF, PART_BYTES);
        settle();
    }
    step(at, 0u);
    return FLASH_OK;
}

flash_status flash_program(const void *address, const void *data, uint32_t bytes)
{
    const uintptr_t offset = (uintptr_t)address - (uintptr_t)memory_of_flash;
    if (offset > FLASH_BYTES || bytes > FLASH_BYTES - offset) {
        return FLASH_OUTSIDE;
    }
    if (offset % FLASH_WORD_BYTES != 0u || bytes % FLASH_WORD_BYTES != 0u) {
        return FLASH_MISALIGNED;
    }
    if (!flash_is_erased(address, bytes)) {
        return FLASH_NOT_ERASED;
    }
    uint8_t *to = memory_of_flash + offset;
    const uint8_t *from = (const uint8_t *)data;
    for (uint32_t done = 0u; done < bytes; done += FLASH_WORD_BYTES) {
        step(to + done, 0u);
        memcpy(to + done, from + done, HALF_WORD);
        settle();
        step(to + done, FLASH_WORD_BYTES);
        memcpy(to + done + HALF_WORD, from + done + HALF_WORD, HALF_WORD);
        settle();
    }
    step(to, 0u);
    return FLASH_OK;
}
