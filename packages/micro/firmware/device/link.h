/* The link as the device sees it: hello until a hub proves itself, then its requests, and entries on their way to it. */
#ifndef SANDERLING_LINK_H
#define SANDERLING_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

/* Types; protocol.ts has the table. */
#define TYPE_HELLO 0x01u
#define TYPE_CHALLENGE 0x02u
#define TYPE_PROOF 0x03u
#define TYPE_ENROL 0x04u
#define TYPE_ENROLLED 0x05u
#define TYPE_KNOCK 0x06u
#define TYPE_REFUSED 0x07u
#define TYPE_RESUME 0x10u
#define TYPE_STATUS 0x11u
#define TYPE_SET_TIME 0x12u
#define TYPE_UPDATE_BEGIN 0x13u
#define TYPE_UPDATE_CHUNK 0x14u
#define TYPE_UPDATE_END 0x15u
#define TYPE_SELF_TEST 0x16u
#define TYPE_ACTIVATE 0x17u
#define TYPE_ROLLBACK 0x18u
#define TYPE_FEED 0x19u
#define TYPE_ENTRIES 0x20u

/* Longest body of an answer. */
#define ANSWER_MOST 320u

void link_start(void);
/* Takes what has arrived and sends what is due. */
void link_step(void);
/* The next hello goes out at once. */
void link_hello_now(void);

typedef struct {
    uint32_t sound;
    uint32_t damaged;
    uint32_t repeated;
} link_counts;
link_counts link_count(void);

/* Does a request; writes the answer's body (status first) and returns its length. `session` is the session's key. */
uint32_t request_do(uint8_t type, const uint8_t *body, uint32_t bytes, const uint8_t *session, uint8_t *answer);

#endif
