/* Writing an image into a slot, chunk by chunk; goes on after a disconnect where it was, after a power cut at the last checkpoint. What the flash already
   holds beyond that is compared, not written again; where a word is only half there its sector is done anew. */
#include <stddef.h>
#include <string.h>

#include "bytes.h"
#include "device.h"
#include "flash.h"
#include "image_check.h"
#include "sha256.h"
#include "slots.h"
#include "state.h"

/* Bytes from one checkpoint to the next. */
#define CHECKPOINT_BYTES 8192u
#define SLOT_SECTOR(slot) ((slot) == 0u ? FLASH_SLOT_A_SECTOR : FLASH_SLOT_B_SECTOR)

/* Where to go on; the state holds the last checkpoint of it. Meaningful while the state names an update. */
static uint32_t reached;
static bool     known;
/* The hub began with an image that is already there, whole: nothing is to be written, and the slot stays what it is. */
static bool complete;

static uint32_t position_now(void)
{
    if (!known) {
        reached = state.update_position;
        known = true;
    }
    return reached;
}

static bool checkpoint(uint32_t position)
{
    reached = position;
    known = true;
    state.update_position = position;
    return state_write();
}

static bool clear_sector(uint32_t slot, uint32_t offset)
{
    const uint32_t sector = SLOT_SECTOR(slot) + offset / FLASH_SECTOR_BYTES;
    return flash_is_erased(flash_sector(sector), FLASH_SECTOR_BYTES) ||
           (flash_erase(sector) == FLASH_OK && flash_is_erased(flash_sector(sector), FLASH_SECTOR_BYTES));
}

static uint32_t image_bytes(void)
{
    sanderling_image_header header;
    memcpy(&header, state.update_header, sizeof header);
    return header.image_bytes;
}

/* Whether the slot already holds this very image, whole and sound. */
static bool is_there(uint32_t slot, const uint8_t *header_bytes)
{
    sanderling_image_header header;
    return slot_look(slot, &header) == SLOT_READY && memcmp(slot_place(slot), header_bytes, sizeof header) == 0 &&
           image_check_payload(slot_place(slot), &header);
}

static device_status may_begin(uint32_t slot, bool step_back, const uint8_t *tag, const uint8_t *header_bytes)
{
    sanderling_image_header header;
    uint8_t wanted[32];
    if (slot > 1u) {
        return STATUS_MALFORMED;
    }
    if (state.probation != 0u) {
        return STATUS_ON_PROBATION;
    }
    if (slot == state.active) {
        return STATUS_WRONG_SLOT;
    }
    const device_status status = image_check_header(slot, header_bytes, &header);
    if (status != STATUS_OK) {
        return status;
    }
    image_tag(header_bytes, wanted);
    if (!same_secret(tag, wanted, sizeof wanted)) {
        return STATUS_BAD_TAG;
    }
    return header.sequence < state.floor && !step_back ? STATUS_OLDER : STATUS_OK;
}

device_status slot_begin(uint32_t slot, bool step_back, const uint8_t *tag, const uint8_t *header, uint32_t *position)
{
    *position = 0u;
    complete = false;
    const device_status status = may_begin(slot, step_back, tag, header);
    if (status != STATUS_OK) {
        return status;
    }
    if (state.update_slot == slot && memcmp(state.update_header, header, sizeof state.update_header) == 0) {
        *position = position_now();
        return STATUS_OK;
    }
    complete = is_there(slot, header);
    if (complete) {
        *position = get_u32(header + 16);
        return STATUS_OK;
    }
    /* From here on the slot is nothing to return to. The tag goes first: without it no part of the slot counts. */
    state.previous = NO_SLOT;
    state.update_slot = NO_SLOT;
    if (!state_write() || !clear_sector(slot, slot_capacity())) {
        return STATUS_FLASH_FAILED;
    }
    state.update_slot = (uint8_t)slot;
    memcpy(state.update_tag, tag, sizeof state.update_tag);
    memcpy(state.update_header, header, sizeof state.update_header);
    return checkpoint(0u) ? STATUS_OK : STATUS_FLASH_FAILED;
}

/* Starts the sector of `offset` anew: half a word is in it. */
static device_status redo_sector(uint32_t offset)
{
    const uint32_t start = offset / FLASH_SECTOR_BYTES * FLASH_SECTOR_BYTES;
    if (!checkpoint(start) || !clear_sector(state.update_slot, start)) {
        return STATUS_FLASH_FAILED;
    }
    return STATUS_OK;
}

/* Writes one word. False when the flash holds something else there. */
static bool write_word(uint32_t offset, const uint8_t *bytes, uint32_t count)
{
    uint8_t word[FLASH_WORD_BYTES];
    const uint8_t *to = slot_place(state.update_slot) + offset;
    memset(word, 0xFF, sizeof word);
    memcpy(word, bytes, count);
    if (memcmp(to, word, sizeof word) == 0) {
        return true;
    }
    return flash_program(to, word, sizeof word) == FLASH_OK && memcmp(to, word, sizeof word) == 0;
}

static device_status check_chunk(uint32_t offset, const uint8_t *bytes, uint32_t count)
{
    const uint32_t whole = image_bytes();
    if (offset != position_now()) {
        return STATUS_WRONG_OFFSET;
    }
    if (count == 0u || count > whole - offset || (count % FLASH_WORD_BYTES != 0u && count != whole - offset)) {
        return STATUS_MALFORMED;
    }
    if (offset < SANDERLING_IMAGE_HEADER_BYTES) {
        const uint32_t rest = SANDERLING_IMAGE_HEADER_BYTES - offset;
        if (memcmp(state.update_header + offset, bytes, count < rest ? count : rest) != 0) {
            return STATUS_BAD_HEADER;
        }
    }
    return STATUS_OK;
}

device_status slot_chunk(uint32_t offset, const uint8_t *bytes, uint32_t count, uint32_t *position)
{
    *position = 0u;
    if (state.update_slot == NO_SLOT) {
        return STATUS_NO_UPDATE;
    }
    device_status status = check_chunk(offset, bytes, count);
    for (uint32_t done = 0u; status == STATUS_OK && done < count; done += FLASH_WORD_BYTES) {
        const uint32_t at = offset + done;
        const uint32_t some = count - done < FLASH_WORD_BYTES ? count - done : FLASH_WORD_BYTES;
        if (at % FLASH_SECTOR_BYTES == 0u && !clear_sector(state.update_slot, at)) {
            status = STATUS_FLASH_FAILED;
        } else if (!write_word(at, bytes + done, some)) {
            status = redo_sector(at);
            *position = reached;
            return status;
        }
    }
    if (status == STATUS_OK) {
        const uint32_t next = offset + count;
        const bool due = next / CHECKPOINT_BYTES != state.update_position / CHECKPOINT_BYTES || next == image_bytes();
        reached = next;
        status = due && !checkpoint(next) ? STATUS_FLASH_FAILED : STATUS_OK;
    }
    *position = position_now();
    return status;
}

/* Programs the tag. Half a tag, left by a power cut, costs the slot's last sector. */
static device_status write_tag(uint32_t slot, uint32_t whole)
{
    const uint8_t *to = image_tag_place(slot);
    if (memcmp(to, state.update_tag, FLASH_WORD_BYTES) == 0) {
        return STATUS_OK;
    }
    if (!flash_is_erased(to, FLASH_WORD_BYTES)) {
        if (whole > FLASH_SLOT_BYTES - FLASH_SECTOR_BYTES) {
            const device_status status = redo_sector(slot_capacity());
            return status == STATUS_OK ? STATUS_WRONG_OFFSET : status;
        }
        if (!clear_sector(slot, slot_capacity())) {
            return STATUS_FLASH_FAILED;
        }
    }
    const bool done = flash_program(to, state.update_tag, FLASH_WORD_BYTES) == FLASH_OK;
    return done && memcmp(to, state.update_tag, FLASH_WORD_BYTES) == 0 ? STATUS_OK : STATUS_FLASH_FAILED;
}

device_status slot_end(uint32_t *position)
{
    sanderling_image_header header;
    *position = 0u;
    if (state.update_slot == NO_SLOT) {
        return complete ? STATUS_OK : STATUS_NO_UPDATE;
    }
    const uint32_t slot = state.update_slot;
    *position = position_now();
    memcpy(&header, state.update_header, sizeof header);
    if (*position != header.image_bytes) {
        return STATUS_WRONG_OFFSET;
    }
    const uint8_t *image = slot_place(slot);
    device_status status = memcmp(image, state.update_header, sizeof header) == 0 && image_check_payload(image, &header)
                               ? write_tag(slot, header.image_bytes)
                               : STATUS_BAD_DIGEST;
    *position = position_now();
    if (status == STATUS_OK || status == STATUS_BAD_DIGEST) {
        if (status == STATUS_BAD_DIGEST) {
            device_note(EVENT_REFUSED, status, slot);
        }
        state.update_slot = NO_SLOT;
        known = false;
        status = state_write() ? status : STATUS_FLASH_FAILED;
        device_tell();
    }
    return status;
}
