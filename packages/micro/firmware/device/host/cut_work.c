#include "cut_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "model.h"
#include "outbox.h"
#include "sanderling_image.h"
#include "slots.h"
#include "state.h"

#define BEGAN INT64_C(1767268800000)
#define READINGS 24u
/* Readings of the ring's trial: enough to go once round and a little. */
#define RING_READINGS 15400u
/* Records in a sector of settings, and how many of the second one are left for an update. */
#define SETTINGS_RECORDS (FLASH_SECTOR_BYTES / (uint32_t)sizeof(device_state))
#define SETTINGS_LEFT 4u

world         *now;
uint32_t       payload_bytes;
static uint8_t image[SANDERLING_IMAGE_HEADER_BYTES + MOST_PAYLOAD];

void enter(world *into)
{
    now = into;
    hub_store = &now->disk;
    flash_attach(now->flash);
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "broken: %s (active %u, probation %u, boots %u, entries %u)\n", what, (unsigned)state.active,
                  (unsigned)state.probation, (unsigned)state.boots, (unsigned)now->disk.count);
    exit(1);
}

/* The model that runs is one that was made here, whole; the device is never without one. */
static void check_model(void)
{
    if (state.active == NO_SLOT || model.entry == NULL) {
        fail("no model runs");
    }
    const uint32_t sequence = state.active + 1u;
    const uint32_t bytes = hub_image(image, state.active, sequence, payload_bytes);
    if (memcmp(slot_place(state.active), image, bytes) != 0) {
        fail("the active slot is not an image that was made");
    }
}

/* Readings that have not been acknowledged are fed, again if need be; half of them before the update, half after. */
static void feed_up_to(uint32_t last)
{
    while (now->acknowledged < last) {
        if (hub_feed(BEGAN + (int64_t)now->acknowledged * 1000, (float)now->acknowledged) < 0) {
            fail("a reading was not answered");
        }
        now->acknowledged += 1u;
    }
}

void update_work(void)
{
    device_start();
    check_model();
    if (!hub_connect()) {
        fail("no session");
    }
    feed_up_to(READINGS / 2u);
    if (state.active == 0u) {
        const uint32_t bytes = hub_image(image, 1u, 2u, payload_bytes);
        const int status = hub_update(image, bytes, 1u, 2u);
        if (status != 0) {
            (void)fprintf(stderr, "status %d\n", status);
            fail("the update was refused");
        }
    }
    feed_up_to(READINGS);
    while (state.probation != 0u) {
        /* The readings came before the power went; the probation still waits for a forecast. */
        now->acknowledged += 1u;
        if (hub_feed(BEGAN + (int64_t)now->acknowledged * 1000, 1.0f) < 0) {
            fail("a reading was not answered");
        }
    }
    hub_turns(200u);
}

static void check_update(void)
{
    int64_t last = 0;
    uint32_t readings = 0u;
    uint32_t activated = 0u;
    uint32_t rolled_back = 0u;
    check_model();
    for (uint32_t i = 0u; i < now->disk.count; i += 1u) {
        const hub_entry *entry = &now->disk.entries[i];
        activated += entry->event == EVENT_ACTIVATED ? 1u : 0u;
        rolled_back += entry->event == EVENT_ROLLED_BACK ? 1u : 0u;
        if (entry->kind == ENTRY_READING) {
            if (entry->time_ms <= last || (readings < READINGS && entry->time_ms != BEGAN + (int64_t)readings * 1000)) {
                fail("a reading is missing, twice or out of order");
            }
            last = entry->time_ms;
            readings += 1u;
        }
    }
    if (state.active != 1u || state.floor != 2u || readings < READINGS || outbox_waiting() != 0u) {
        fail("the work is not finished");
    }
    if (activated != 1u || rolled_back != 0u) {
        fail("an event is missing or twice");
    }
}

void update_to_the_end(void)
{
    update_work();
    check_update();
}

static void fill_settings(void)
{
    while (state.revision < 2u * SETTINGS_RECORDS - SETTINGS_LEFT) {
        if (!state_write()) {
            fail("the settings take nothing");
        }
    }
}

void factory(void)
{
    memset(now->flash, 0xFF, sizeof now->flash);
    memset(now->flash + FLASH_SLOT_A_SECTOR * FLASH_SECTOR_BYTES, 0x5A, 2u * FLASH_SLOT_BYTES);
    memcpy(now->disk.device, "dev_cuts", 8u);
    state_open();
    state.flags = STATE_HAS_KEY;
    memcpy(state.device, now->disk.device, sizeof state.device);
    (void)state_write();
}

void first_model(void)
{
    device_start();
    if (!hub_connect() || hub_update(image, hub_image(image, 0u, 1u, payload_bytes), 0u, 1u) != 0 || hub_feed(BEGAN - 5000, 1.0f) != 1) {
        fail("the first model");
    }
    hub_turns(200u);
    now->disk.count = 0u;
    fill_settings();
}

void ring_prepare(void)
{
    device_start();
    if (!hub_connect()) {
        fail("no session");
    }
    hub_turns(50u);
    hub.silent = true;
    while (outbox_waiting() > 0u) {
        hub.silent = false;
        hub_turns(10u);
        hub.silent = true;
    }
    uint8_t rest[76];
    memset(rest, 0, sizeof rest);
    rest[0] = EVENT_ALARM;
    uint8_t value[4] = {0};
    /* The first entries may be on their way; events behind them have not been sent. */
    for (uint32_t i = 0u; i < RING_READINGS && now->acknowledged < RING_READINGS; i += 1u) {
        if (outbox_add(ENTRY_READING, BEGAN + (int64_t)i, value, sizeof value) == 0u) {
            fail("the flash took no reading");
        }
        now->acknowledged += 1u;
        if (i > 1000u && i % 200u == 0u && now->events < 12u) {
            now->events += outbox_add(ENTRY_EVENT, BEGAN + (int64_t)i, rest, sizeof rest) != 0u ? 1u : 0u;
        }
        if (outbox_lost()->total > 0u) {
            fail("the ring went round too soon");
        }
        if (outbox_waiting() >= 15300u) {
            break;
        }
    }
}

static void go_round(void)
{
    uint8_t value[4] = {0};
    const uint32_t until = now->acknowledged + 200u;
    while (now->acknowledged < until && outbox_lost()->total == 0u) {
        if (outbox_add(ENTRY_READING, BEGAN + (int64_t)now->acknowledged, value, sizeof value) != 0u) {
            now->acknowledged += 1u;
        }
    }
}

void ring_work(void)
{
    device_start();
    hub.silent = true;
    if (!hub_connect()) {
        fail("no session");
    }
    now->unconfirmed = now->disk.count;
    go_round();
}

void ring_work_alone(void)
{
    device_start();
    /* The event of the first start; marks are made every 256 entries. */
    now->forgotten = 1u;
    go_round();
}

void ring_finish(void)
{
    uint32_t readings = 0u;
    uint32_t events = 0u;
    uint32_t lost = 0u;
    uint32_t lost_events = 0u;
    device_start();
    if (!hub_connect()) {
        fail("no session");
    }
    for (uint32_t turn = 0u; turn < 20000u && outbox_waiting() > 0u; turn += 1u) {
        hub_turns(1u);
    }
    int64_t last = 0;
    for (uint32_t i = 0u; i < now->disk.count; i += 1u) {
        const hub_entry *entry = &now->disk.entries[i];
        events += entry->event == EVENT_ALARM ? 1u : 0u;
        lost += entry->event == EVENT_DROPPED ? entry->numbers[0] : 0u;
        lost_events += entry->event == EVENT_DROPPED ? entry->numbers[2] : 0u;
        if (entry->kind == ENTRY_READING) {
            readings += 1u;
            if (entry->time_ms <= last) {
                fail("a reading came twice");
            }
            last = entry->time_ms;
        }
    }
    /* One reading may be in flash although its adding was not answered. */
    if (readings + lost < now->acknowledged || readings + lost > now->acknowledged + now->unconfirmed + 1u) {
        (void)fprintf(stderr, "%u readings, %u lost, %u acknowledged\n", (unsigned)readings, (unsigned)lost, (unsigned)now->acknowledged);
        fail("readings are neither here nor counted");
    }
    if (events + lost_events < now->events || events + lost_events > now->events + now->forgotten) {
        (void)fprintf(stderr, "%u events, %u lost of %u\n", (unsigned)events, (unsigned)lost_events, (unsigned)now->events);
        fail("events are neither here nor counted");
    }
}
