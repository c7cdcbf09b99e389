/* The device as a whole: clock, readings, what is told of them. */
#ifndef SANDERLING_DEVICE_H
#define SANDERLING_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

#ifndef DEVICE_FIRMWARE
#define DEVICE_FIRMWARE "1.0.0"
#endif
/* Shortest time from one report to the next, milliseconds. */
#ifndef DEVICE_REPORT_MS
#define DEVICE_REPORT_MS 5000u
#endif

/* Types of events; eventTypes of packages/wire/src/link/entries.ts. */
#define EVENT_STARTED 1u
#define EVENT_ALARM 2u
#define EVENT_ALARM_OVER 3u
#define EVENT_SWITCHED 4u
#define EVENT_ACTIVATED 5u
#define EVENT_ROLLED_BACK 6u
#define EVENT_REFUSED 7u
#define EVENT_DAMAGED 8u
#define EVENT_DROPPED 9u

void device_start(void);
/* One turn: what has arrived, what is due; then waits until something happens or a few milliseconds have passed. */
void device_step(void);

/* Milliseconds since 1970; 0 while the clock is not set. */
int64_t device_now(void);
/* False for a time that cannot be (before 1970, after the year 9999). */
bool    device_set_time(int64_t time_ms);
/* Takes a reading; false when it is not newer than the newest, not finite, or the flash does not take it. */
bool device_reading(int64_t time_ms, float value);
/* A session has begun: what the hub must hear and could not before. */
void device_connected(void);

/* Notes an event that belongs to a change of the state: the next state_write() makes both durable; then call device_tell(). */
void device_note(uint32_t type, uint32_t reason, uint32_t slot);
/* Puts the noted event into the outbox unless it is there. */
void device_tell(void);

#endif
