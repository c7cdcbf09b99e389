#include "device.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "link.h"
#include "model.h"
#include "outbox.h"
#include "ports.h"
#include "slots.h"

/* The board restarts when a turn, or a model, takes longer. */
#ifndef WATCHDOG_MS
#define WATCHDOG_MS 8000u
#endif
#define TURN_MS 20u
#define EVENT_REST_BYTES 76u
/* The end of the year 9999. */
#define MOST_TIME_MS INT64_C(253402300799999)

static struct {
    bool     set;
    int64_t  offset;
    bool     started_told;
    uint64_t reported_ms;
} device;

int64_t device_now(void) { return device.set ? (int64_t)board_milliseconds() + device.offset : 0; }

static bool is_time(int64_t time_ms) { return time_ms > 0 && time_ms <= MOST_TIME_MS; }

bool device_set_time(int64_t time_ms)
{
    if (!is_time(time_ms)) {
        return false;
    }
    device.offset = time_ms - (int64_t)board_milliseconds();
    device.set = true;
    return true;
}

/* What an event happened at: the clock, or as near as can be known. */
static int64_t event_time(void)
{
    const int64_t now = device_now();
    return now > 0 ? now : outbox_newest_ms();
}

static uint8_t *event_head(uint8_t *rest, uint32_t type, uint32_t reason, const uint8_t *release)
{
    memset(rest, 0, EVENT_REST_BYTES);
    uint8_t *at = put_u16(put_u16(rest, type), reason);
    at = release != NULL ? put_bytes(at, release, 32u) : at + 32;
    return put_f32(put_f32(at, model.drift_score), model.rolling_error);
}

/* The release of a slot, and its sequence. */
static const uint8_t *release_of(uint32_t slot, uint32_t *sequence)
{
    static sanderling_image_header header;
    memset(&header, 0, sizeof header);
    if (slot != NO_SLOT) {
        memcpy(&header, slot == state.update_slot ? state.update_header : slot_place(slot), sizeof header);
    }
    *sequence = header.sequence;
    return header.release;
}

void device_note(uint32_t type, uint32_t reason, uint32_t slot)
{
    state_event *event = &state.event;
    event->type = (uint16_t)type;
    event->reason = (uint16_t)reason;
    memcpy(event->release, release_of(slot, &event->sequence), sizeof event->release);
    event->predictions = model.predictions;
    event->boots = state.attempts;
    event->number = outbox_next();
}

void device_tell(void)
{
    uint8_t rest[EVENT_REST_BYTES];
    const state_event *event = &state.event;
    if (event->type == 0u || outbox_next() > event->number) {
        return;
    }
    uint8_t *at = event_head(rest, event->type, event->reason, event->release);
    (void)put_u32(put_u32(put_u32(at, event->sequence), event->predictions), event->boots);
    (void)outbox_add(ENTRY_EVENT, event_time(), rest, sizeof rest);
}

static void tell_alarm(uint32_t type, int64_t time_ms)
{
    uint8_t rest[EVENT_REST_BYTES];
    uint32_t sequence;
    (void)event_head(rest, type, 0u, release_of(state.active, &sequence));
    (void)outbox_add(ENTRY_EVENT, time_ms, rest, sizeof rest);
}

static void report(int64_t time_ms)
{
    uint8_t rest[ENTRY_MOST_REST];
    uint32_t sequence;
    uint32_t median;
    uint32_t longest;
    const sanderling_answer *answer = &model.answer;
    model_times(&median, &longest);
    uint8_t *at = put_bytes(rest, release_of(state.active, &sequence), 32u);
    at = put_f32(put_u32(at, model.predictions), model.rolling_error);
    at = put_f32(put_f32(at, model.drift_score), answer->residual);
    at = put_u32(put_u32(at, median), longest);
    at = put_u32(put_u32(at, (uint32_t)(board_milliseconds() / 1000u)), model.entry->memory_bytes);
    at = put_u32(put_u32(at, outbox_waiting()), outbox_lost()->total);
    at = put_u64(at, (uint64_t)answer->forecast_time_ms);
    at = put_u16(put_u16(at, answer->flags), answer->horizon);
    for (uint32_t step = 0u; step < answer->horizon; step += 1u) {
        at = put_f32(at, answer->forecast[step]);
    }
    (void)outbox_add(ENTRY_REPORT, time_ms, rest, (uint32_t)(at - rest));
    device.reported_ms = board_milliseconds();
}

/* What an answer of the model leads to. */
static void tell_answer(int64_t time_ms)
{
    const uint32_t flags = model.answer.flags;
    const bool raised = (flags & SANDERLING_DRIFT_RAISED) != 0u;
    const bool due = device.reported_ms == 0u || board_milliseconds() >= device.reported_ms + DEVICE_REPORT_MS;
    /* Whoever hears of the alarm wants the numbers with it. */
    if (model.forecast && (flags & SANDERLING_NOT_FINITE) == 0u && (due || raised)) {
        report(time_ms);
    }
    if (raised) {
        tell_alarm(EVENT_ALARM, time_ms);
    }
    if ((flags & SANDERLING_DRIFT_ENDED) != 0u) {
        tell_alarm(EVENT_ALARM_OVER, time_ms);
    }
}

bool device_reading(int64_t time_ms, float value)
{
    uint8_t rest[4];
    if (!isfinite(value) || !is_time(time_ms) || time_ms <= outbox_newest_ms()) {
        return false;
    }
    (void)put_f32(rest, value);
    if (outbox_add(ENTRY_READING, time_ms, rest, sizeof rest) == 0u) {
        return false;
    }
    const bool answered = model_reading(time_ms, value);
    if (answered) {
        tell_answer(time_ms);
    }
    slots_judge(answered);
    return true;
}

/* The hub is told of losses when it can be reached, not once for every sector of a week without it. */
static void tell_losses(void)
{
    uint8_t rest[EVENT_REST_BYTES];
    const outbox_losses *lost = outbox_lost();
    if (lost->readings + lost->reports + lost->events == 0u) {
        return;
    }
    uint8_t *at = event_head(rest, EVENT_DROPPED, 0u, NULL);
    at = put_u32(put_u32(put_u32(put_u32(at, lost->readings), lost->reports), lost->events), lost->total);
    (void)put_u64(put_u64(at, (uint64_t)lost->first_ms), (uint64_t)lost->last_ms);
    (void)outbox_add(ENTRY_EVENT, event_time(), rest, sizeof rest);
}

void device_connected(void)
{
    uint8_t rest[EVENT_REST_BYTES];
    if (!device.started_told) {
        uint8_t *at = event_head(rest, EVENT_STARTED, 0u, NULL);
        (void)put_u32(at, state.boots);
        device.started_told = outbox_add(ENTRY_EVENT, event_time(), rest, sizeof rest) != 0u;
    }
    tell_losses();
}

void device_start(void)
{
    memset(&device, 0, sizeof device);
    watchdog_start(WATCHDOG_MS);
    state_open();
    outbox_open();
    slots_boot();
    link_start();
}

/* Readings taken from the sensor in one turn at most: the link must not wait long. */
#define SENSED_A_TURN 16u

static void sense(void)
{
    for (uint32_t i = 0u; i < SENSED_A_TURN; i += 1u) {
        float value;
        const int64_t now = device_now();
        int64_t time_ms = now;
        if (now <= 0 || !port_sensor(&time_ms, &value)) {
            return;
        }
        /* A clock that was set back must not make two readings of one time; a sensor that repeats itself has a time of its own. */
        const int64_t newest = outbox_newest_ms();
        (void)device_reading(time_ms != now || time_ms > newest ? time_ms : newest + 1, value);
    }
}

void device_step(void)
{
    watchdog_feed();
    link_step();
    sense();
    slots_judge(false);
    board_wait(TURN_MS);
}
