/* Flash of the board, with the rules of the STM32H7's: sectors of 128 KiB are erased to 0xFF as a whole; after that every 32-byte word
   may be programmed once. Reads are plain reads of memory. On the emulated boards it is the machine's PSRAM, kept in a file that outlives
   the emulator; the driver enforces the rules there, so that what survives a power cut here also does on silicon.

   The error-correcting code of the H7 covers a whole word: a word that has been programmed must not be programmed again, not even to
   clear more bits. A mark that is set later therefore needs a word of its own. After a power cut the word or sector in work may hold
   anything: check what you read (CRC), and take the next word when one is not erased. */
#ifndef SANDERLING_FLASH_H
#define SANDERLING_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#define FLASH_SECTOR_BYTES 131072u
#define FLASH_WORD_BYTES 32u
#define FLASH_SECTORS 16u
#define FLASH_BYTES (FLASH_SECTORS * FLASH_SECTOR_BYTES)

/* Who uses which sectors (the two banks of the H745 are sectors 0-7 and 8-15). Sectors 0 and 1 hold the firmware on silicon. */
#define FLASH_SETTINGS_SECTOR 2u /* two sectors: boot records and settings, written in turn */
#define FLASH_SETTINGS_SECTORS 2u
#define FLASH_SLOT_A_SECTOR 4u /* four sectors: 512 KiB */
#define FLASH_SLOT_B_SECTOR 8u
#define FLASH_SLOT_SECTORS 4u
#define FLASH_SLOT_BYTES (FLASH_SLOT_SECTORS * FLASH_SECTOR_BYTES)
#define FLASH_OUTBOX_SECTOR 12u /* four sectors: readings that the hub has not confirmed */
#define FLASH_OUTBOX_SECTORS 4u

typedef enum {
    FLASH_OK = 0,
    FLASH_OUTSIDE = 1,    /* no such sector, or the bytes are not all inside the flash */
    FLASH_MISALIGNED = 2, /* address or count is no multiple of FLASH_WORD_BYTES */
    FLASH_NOT_ERASED = 3  /* a word has been programmed since its sector was erased; nothing was written */
} flash_status;

/* The first byte of the flash: sector s begins at flash_base() + s * FLASH_SECTOR_BYTES. */
const uint8_t *flash_base(void);
const uint8_t *flash_sector(uint32_t sector);

/* Erases one sector. */
flash_status flash_erase(uint32_t sector);

/* Programs `bytes` bytes at `address` (a pointer into the flash); both multiples of FLASH_WORD_BYTES. `data` may lie anywhere outside the flash. */
flash_status flash_program(const void *address, const void *data, uint32_t bytes);

/* Whether `bytes` bytes from `address` on are all 0xFF. */
bool flash_is_erased(const void *address, uint32_t bytes);

/* For tests: called between the steps of every operation (before, in the middle of, and after each word; five times within an erase), with a
   number that counts up from 1 since the start, and with what is in work at that moment (0 bytes: nothing). A hook that does not return is a power cut at
   that step. NULL takes it away. */
typedef void (*flash_hook)(uint32_t step, uint8_t *work, uint32_t bytes);
void flash_set_hook(flash_hook hook);

#ifdef SANDERLING_HOST
/* Host builds: the FLASH_BYTES bytes that stand for the flash (8-aligned, for example a mapped file). Call it first. */
void flash_attach(uint8_t *memory);
#endif

#endif
