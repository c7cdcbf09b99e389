#include "slots.h"

#include <stddef.h>
#include <string.h>

#include "board.h"
#include "device.h"
#include "flash.h"
#include "image_check.h"
#include "model.h"
#include "outbox.h"
#include "ports.h"

static uint64_t probation_began;
/* The record names another slot than the one that runs. */
static bool switched;

const uint8_t *slot_place(uint32_t slot) { return flash_sector(slot == 0u ? FLASH_SLOT_A_SECTOR : FLASH_SLOT_B_SECTOR); }

slot_state slot_look(uint32_t slot, sanderling_image_header *header)
{
    if (slot == state.update_slot) {
        return SLOT_PARTIAL;
    }
    if (flash_is_erased(slot_place(slot), FLASH_WORD_BYTES)) {
        return SLOT_EMPTY;
    }
    return image_check_header(slot, slot_place(slot), header) == STATUS_OK && image_check_tag(slot, slot_place(slot))
               ? SLOT_READY
               : SLOT_DAMAGED;
}

/* Everything that must hold before code of a slot is run. */
static device_status sound_entry(uint32_t slot, const sanderling_entry **entry)
{
    sanderling_image_header header;
    if (slot > 1u || slot_look(slot, &header) != SLOT_READY) {
        return STATUS_NO_IMAGE;
    }
    if (!image_check_payload(slot_place(slot), &header)) {
        return STATUS_BAD_DIGEST;
    }
    *entry = port_entry(slot_place(slot), &header);
    return model_fits(*entry);
}

device_status slot_test(uint32_t slot, int32_t *vector, uint32_t *microseconds)
{
    const sanderling_entry *entry;
    const device_status sound = sound_entry(slot == NO_SLOT ? state.active : slot, &entry);
    return sound == STATUS_OK ? model_test(entry, vector, microseconds) : sound;
}

static device_status start(uint32_t slot)
{
    const sanderling_entry *entry;
    int32_t vector;
    uint32_t microseconds;
    device_status status = sound_entry(slot, &entry);
    if (status == STATUS_OK) {
        status = model_test(entry, &vector, &microseconds);
    }
    if (status == STATUS_OK) {
        model_start(entry);
        probation_began = board_milliseconds();
    }
    return status;
}

/* The active model is given up for the previous one. */
static void go_back(uint32_t type, device_status reason)
{
    device_note(type, reason, state.active);
    model_start(NULL);
    state.active = state.previous;
    state.previous = NO_SLOT;
    state.probation = 0u;
    (void)state_write();
    device_tell();
}

void slots_boot(void)
{
    /* What was noted and could not be told goes first: giving up the model notes something else in its place. */
    device_tell();
    state.boots += 1u;
    const bool died = state.probation != 0u && state.attempts >= SLOT_MOST_ATTEMPTS;
    if (state.probation != 0u && !died) {
        state.attempts = (uint8_t)(state.attempts + 1u);
    }
    if (died) {
        go_back(EVENT_ROLLED_BACK, STATUS_DIED);
    } else {
        (void)state_write();
    }
    device_tell();
    for (uint32_t tries = 0u; tries < 2u && state.active != NO_SLOT; tries += 1u) {
        const device_status status = start(state.active);
        if (status == STATUS_OK) {
            return;
        }
        go_back(state.probation != 0u ? EVENT_ROLLED_BACK : EVENT_DAMAGED, status);
    }
}

device_status slot_activate(const slot_activation *wanted)
{
    const sanderling_entry *entry;
    sanderling_image_header header;
    int32_t vector;
    uint32_t microseconds;
    if (state.probation != 0u) {
        return STATUS_ON_PROBATION;
    }
    if (wanted->slot == state.active || wanted->slot > 1u) {
        return STATUS_WRONG_SLOT;
    }
    device_status status = sound_entry(wanted->slot, &entry);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(&header, slot_place(wanted->slot), sizeof header);
    if (header.sequence < state.floor && !wanted->step_back) {
        return STATUS_OLDER;
    }
    status = model_test(entry, &vector, &microseconds);
    if (status != STATUS_OK) {
        device_note(EVENT_REFUSED, status, wanted->slot);
        (void)state_write();
        device_tell();
        return status;
    }
    const device_state before = state;
    device_note(EVENT_SWITCHED, STATUS_OK, wanted->slot);
    state.previous = state.active;
    state.active = (uint8_t)wanted->slot;
    state.probation = 1u;
    state.attempts = 1u;
    state.step_back = wanted->step_back ? 1u : 0u;
    state.predictions = (uint16_t)wanted->predictions;
    state.minutes = wanted->minutes;
    state.max_error = wanted->max_error;
    if (!state_write()) {
        const uint32_t revision = state.revision;
        state = before;
        state.revision = revision;
        return STATUS_FLASH_FAILED;
    }
    device_tell();
    model_start(NULL);
    switched = true;
    return STATUS_OK;
}

void slots_settle(void)
{
    const sanderling_entry *entry;
    if (!switched) {
        return;
    }
    switched = false;
    if (sound_entry(state.active, &entry) == STATUS_OK) {
        model_start(entry);
        probation_began = board_milliseconds();
    }
}

device_status slot_rollback(void)
{
    const sanderling_entry *entry;
    sanderling_image_header header;
    if (state.previous == NO_SLOT) {
        return STATUS_NO_IMAGE;
    }
    const device_status sound = sound_entry(state.previous, &entry);
    if (sound != STATUS_OK) {
        return sound;
    }
    memcpy(&header, slot_place(state.previous), sizeof header);
    state.floor = header.sequence;
    go_back(EVENT_ROLLED_BACK, STATUS_OK);
    if (start(state.active) != STATUS_OK) {
        go_back(EVENT_DAMAGED, STATUS_SELF_TEST_FAILED);
    }
    return STATUS_OK;
}

static void fail(device_status reason)
{
    go_back(EVENT_ROLLED_BACK, reason);
    if (state.active == NO_SLOT) {
        return;
    }
    const device_status status = start(state.active);
    if (status != STATUS_OK) {
        go_back(EVENT_DAMAGED, status);
    }
}

static void confirm(void)
{
    sanderling_image_header header;
    memcpy(&header, slot_place(state.active), sizeof header);
    state.floor = header.sequence > state.floor || state.step_back != 0u ? header.sequence : state.floor;
    state.probation = 0u;
    device_note(EVENT_ACTIVATED, STATUS_OK, state.active);
    (void)state_write();
    device_tell();
}

void slots_judge(bool answered)
{
    if (state.probation == 0u || model.entry == NULL) {
        return;
    }
    if (answered && (model.answer.flags & SANDERLING_NOT_FINITE) != 0u) {
        fail(STATUS_NOT_FINITE);
        return;
    }
    const bool late = board_milliseconds() - probation_began >= (uint64_t)state.minutes * 60000u;
    if (model.predictions < state.predictions && !late) {
        return;
    }
    if (state.max_error > 0.0f && model.rolling_error > state.max_error) {
        fail(STATUS_LARGE_ERROR);
        return;
    }
    confirm();
}
