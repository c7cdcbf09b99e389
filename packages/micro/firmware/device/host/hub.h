/* A hub in C for tests of the device inside one process: it follows the table of protocol.ts, written from it and not from the device. */
#ifndef SANDERLING_TEST_HUB_H
#define SANDERLING_TEST_HUB_H

#include <stdbool.h>
#include <stdint.h>

#define HUB_MOST_ENTRIES 32768u

typedef struct {
    uint64_t number;
    int64_t  time_ms;
    uint16_t kind;
    uint16_t event; /* type of an event */
    float    value;
    uint32_t numbers[4]; /* of an event */
} hub_entry;

/* What a hub has on its disk: survives whatever happens to the device. */
typedef struct {
    uint8_t   key[32];
    uint8_t   device[64];
    uint8_t   outbox[8];
    uint64_t  stored;
    uint32_t  count;
    uint32_t  twice; /* numbers that came although they were stored; the hub ignores them */
    hub_entry entries[HUB_MOST_ENTRIES];
} hub_disk;

/* A session. */
typedef struct {
    uint8_t  session[32];
    uint32_t sent;
    bool     live;
    bool     silent; /* entries are not confirmed */
    uint8_t  answer[1152];
    uint32_t answer_bytes;
} hub_session;

extern hub_disk   *hub_store;
extern hub_session hub;

/* Knocks and waits for a session, resumed; false when none comes about in some seconds of the device's time. */
bool hub_connect(void);
/* Asks, lets the device work, and reads the answer into hub.answer; its status, or -1 without an answer. */
int hub_ask(uint8_t type, const uint8_t *body, uint32_t bytes);
/* Only sends. */
void hub_send(uint8_t type, const uint8_t *body, uint32_t bytes);
/* Lets the device work for some turns, and takes what comes. */
void hub_turns(uint32_t turns);

/* Image of a simulated model (host_model.h); returns its length. The sequence is its bias and the first four bytes of its release. */
uint32_t hub_image(uint8_t *into, uint32_t slot, uint32_t sequence, uint32_t payload_bytes);
/* Writes the whole of it and activates it; the status of the step that failed, or 0. */
int hub_update(const uint8_t *image, uint32_t bytes, uint32_t slot, uint32_t predictions);
/* Feeds one reading; how many were new, or -1. */
int hub_feed(int64_t time_ms, float value);

#endif
