/* Power cuts at every step of the flash. cuts update PAYLOAD-BYTES EVERY [SECOND-CUTS] or cuts ring EVERY: a process does the work and kills itself at the
   n-th step (before, in the middle of and after each word; five times within an erase), another one starts from the flash that is left, looks at it and finishes.
   n runs over all steps (or every EVERY-th). The hub's disk is in the same file as the flash and survives, as a hub's does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "flash.h"
#include "hub.h"
#include "link.h"
#include "memory_ports.h"
#include "model.h"
#include "outbox.h"
#include "slots.h"
#include "state.h"

#define BEGAN INT64_C(1767268800000)
#define READINGS 24u
/* Readings of the ring's trial: enough to go once round and a little. */
#define RING_READINGS 15400u

/* What outlives a process. */
typedef struct {
    uint8_t  flash[FLASH_BYTES];
    hub_disk disk;
    uint32_t acknowledged; /* readings whose taking was answered */
    uint32_t steps;
    uint32_t events;       /* of the ring's trial, told to the outbox */
} world;

static world   *now;
static uint32_t die_at;
static uint32_t trial; /* the cut before the process that finishes */
static uint32_t payload_bytes;
static uint8_t  image[SANDERLING_IMAGE_HEADER_BYTES + 300000u];

static void step(uint32_t number)
{
    now->steps = number;
    if (number == die_at) {
        (void)kill(getpid(), SIGKILL);
    }
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

static void update_work(void)
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

/* A device whose outbox is about to go round, with events in the sector that will go; the hub knows nothing yet. */
static void ring_prepare(void)
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

static void ring_work(void)
{
    uint8_t value[4] = {0};
    const uint32_t until = now->acknowledged + 200u;
    while (now->acknowledged < until && outbox_lost()->total == 0u) {
        if (outbox_add(ENTRY_READING, BEGAN + (int64_t)now->acknowledged, value, sizeof value) != 0u) {
            now->acknowledged += 1u;
        }
    }
}

/* After the cut: everything arrives, once, or is counted as lost. */
static void ring_finish(void)
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
    if (readings + lost < now->acknowledged || readings + lost > now->acknowledged + 1u) {
        (void)fprintf(stderr, "%u readings, %u lost, %u acknowledged\n", (unsigned)readings, (unsigned)lost, (unsigned)now->acknowledged);
        fail("readings are neither here nor counted");
    }
    if (events + lost_events != now->events) {
        (void)fprintf(stderr, "%u events, %u lost of %u\n", (unsigned)events, (unsigned)lost_events, (unsigned)now->events);
        fail("events are neither here nor counted");
    }
}

/* A child that does `work` and ends, by itself or by its cut. True when it came to its end. */
static bool child(void (*work)(void), uint32_t dies)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        die_at = dies;
        flash_set_hook(step);
        work();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(2);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)printf("after a cut at step %u\n", (unsigned)(dies > 0u ? dies : trial));
        exit(1);
    }
    return true;
}

static void update_to_the_end(void)
{
    update_work();
    check_update();
}

static void first_model(void)
{
    device_start();
    if (!hub_connect() || hub_update(image, hub_image(image, 0u, 1u, payload_bytes), 0u, 1u) != 0 || hub_feed(BEGAN - 5000, 1.0f) != 1) {
        fail("the first model");
    }
    hub_turns(200u);
    now->disk.count = 0u;
}

static void factory(void)
{
    memset(now->flash, 0xFF, sizeof now->flash);
    memcpy(now->disk.device, "dev_cuts", 8u);
    state_open();
    state.flags = STATE_HAS_KEY;
    memcpy(state.device, now->disk.device, sizeof state.device);
    (void)state_write();
}

static uint32_t second(uint32_t n, uint32_t steps) { return 1u + (n * 7919u + 13u) % steps; }

static void update_cuts(world *base, uint32_t every, bool again)
{
    (void)child(factory, 0u);
    (void)child(first_model, 0u);
    memcpy(base, now, sizeof *base);
    (void)child(update_to_the_end, 0u);
    const uint32_t steps = now->steps;
    uint32_t cuts = 0u;
    for (uint32_t n = 1u; n <= steps; n += every) {
        memcpy(now, base, sizeof *base);
        cuts += child(update_work, n) ? 0u : 1u;
        if (again) {
            cuts += child(update_work, second(n, steps)) ? 0u : 1u;
        }
        trial = n;
        (void)child(update_to_the_end, 0u);
    }
    (void)printf("update: steps %u, cuts %u, all finished\n", (unsigned)steps, (unsigned)cuts);
}

static void ring_dies(void)
{
    const uint32_t at = die_at;
    die_at = 0u;
    ring_prepare();
    die_at = at;
    flash_set_hook(step);
    ring_work();
}

/* The dying process has the memory of a device that has been running; the one after it starts from the flash alone. */
static bool ring_trial(uint32_t n)
{
    memset(&now->disk, 0, sizeof now->disk);
    now->acknowledged = 0u;
    now->events = 0u;
    (void)child(factory, 0u);
    const bool finished = child(ring_dies, n);
    const uint32_t steps = now->steps;
    trial = n;
    (void)child(ring_finish, 0u);
    now->steps = steps;
    return finished;
}

static void ring_cuts(uint32_t every)
{
    uint32_t cuts = 0u;
    (void)ring_trial(0u);
    const uint32_t steps = now->steps;
    for (uint32_t n = 1u; n <= steps; n += every) {
        cuts += ring_trial(n) ? 0u : 1u;
    }
    (void)printf("ring: steps %u, cuts %u, all finished\n", (unsigned)steps, (unsigned)cuts);
}

int main(int count, char **given)
{
    world *both = (world *)mmap(NULL, 2u * sizeof *both, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED || count < 3) {
        return 2;
    }
    now = both;
    hub_store = &now->disk;
    flash_attach(now->flash);
    payload_bytes = 2000u;
    if (strcmp(given[1], "ring") == 0) {
        ring_cuts((uint32_t)strtoul(given[2], NULL, 10));
        return 0;
    }
    payload_bytes = (uint32_t)strtoul(given[2], NULL, 10);
    if (count < 4 || payload_bytes > 300000u || payload_bytes < 32u) {
        return 2;
    }
    update_cuts(both + 1, (uint32_t)strtoul(given[3], NULL, 10), count > 4);
    return 0;
}
