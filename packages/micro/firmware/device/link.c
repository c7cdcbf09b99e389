#include "link.h"

#include <string.h>

#include "board.h"
#include "bytes.h"
#include "device.h"
#include "handshake.h"
#include "outbox.h"
#include "slots.h"
#include "state.h"

/* Tests on the host make these waits shorter. */
#ifndef LINK_UNIT_MS
#define LINK_UNIT_MS 500u
#endif
/* From one hello to the next: twice as long each time, up to the longest. Knocks are answered no more often than the shortest. */
#define HELLO_FIRST_MS (2u * LINK_UNIT_MS)
#define HELLO_LONGEST_MS (16u * LINK_UNIT_MS)
#define HELLO_SHORTEST_MS (LINK_UNIT_MS / 2u)
/* A proof is given this long to lead to a session. */
#define PROOF_MS (8u * LINK_UNIT_MS)
/* From one sending of the same entries to the next, likewise. */
#define ENTRIES_FIRST_MS LINK_UNIT_MS
#define ENTRIES_LONGEST_MS (8u * LINK_UNIT_MS)
/* Unanswered tries after which the hub is taken to have forgotten the session. */
#define ENTRIES_TRIES 6u
/* Frames taken before other work gets its turn. */
#define FRAMES_A_TURN 16u

static frame_reader reader;
static uint8_t      tx[FRAME_MOST_PAYLOAD];

/* A session that frames are taken in, and the one that follows when the hub uses it. */
static struct {
    bool     live;
    bool     resumed;
    uint8_t  key[32];
    uint32_t taken; /* number of the hub's last request */
    uint8_t  answer_type;
    uint32_t answer_bytes;
    uint8_t  answer[ANSWER_MOST];
    uint32_t sent; /* number of our last request */
    uint32_t repeated;
} session;
static bool    has_next;
static uint8_t next_key[32];

static struct {
    uint64_t due_ms;
    uint64_t last_ms;
    uint32_t wait_ms;
} hello;

/* The entries on their way. */
static struct {
    bool     out;
    uint64_t last; /* number of the last of them */
    uint64_t due_ms;
    uint32_t wait_ms;
    uint32_t tries;
} entries;

void link_hello_now(void)
{
    hello.due_ms = 0u;
    hello.wait_ms = HELLO_FIRST_MS;
}

void link_start(void)
{
    memset(&reader, 0, sizeof reader);
    memset(&session, 0, sizeof session);
    memset(&entries, 0, sizeof entries);
    has_next = false;
    link_hello_now();
}

link_counts link_count(void)
{
    const link_counts counts = {reader.sound, reader.damaged, session.repeated};
    return counts;
}

static void send_answer(uint32_t seq)
{
    memcpy(tx, session.answer, session.answer_bytes);
    frame_send_sealed(session.key, session.answer_type, seq, tx, session.answer_bytes);
}

static void take_request(const frame *f, uint32_t bytes)
{
    if (f->seq == session.taken && session.answer_type == (uint8_t)(f->type | FRAME_ANSWER)) {
        session.repeated += 1u;
        send_answer(f->seq);
        return;
    }
    if (f->seq <= session.taken) {
        session.repeated += 1u;
        return;
    }
    session.taken = f->seq;
    session.answer_type = (uint8_t)(f->type | FRAME_ANSWER);
    session.answer_bytes = request_do(f->type, f->payload, bytes, session.key, session.answer);
    send_answer(f->seq);
    slots_settle();
    if (f->type == TYPE_RESUME && session.answer[0] == 0u) {
        session.resumed = true;
        hello.due_ms = UINT64_MAX;
        hello.wait_ms = HELLO_FIRST_MS;
        device_connected();
    }
}

static void take_confirmation(const frame *f, uint32_t bytes)
{
    if (!entries.out || f->seq != session.sent || bytes != 16u || memcmp(f->payload, state.outbox, 8u) != 0) {
        return;
    }
    outbox_confirm(get_u64(f->payload + 8));
    entries.out = false;
}

static void begin(void)
{
    const uint32_t repeated = session.repeated;
    memset(&session, 0, sizeof session);
    memset(&entries, 0, sizeof entries);
    memcpy(session.key, next_key, sizeof next_key);
    session.repeated = repeated;
    session.live = true;
    has_next = false;
}

static void take_sealed(const frame *f)
{
    uint32_t bytes;
    bool known = session.live && frame_unseal(session.key, f, &bytes);
    if (!known && has_next && frame_unseal(next_key, f, &bytes)) {
        begin();
        known = true;
    }
    if (!known) {
        return;
    }
    if (f->type == (TYPE_ENTRIES | FRAME_ANSWER)) {
        take_confirmation(f, bytes);
    } else if (f->type < TYPE_ENTRIES) {
        take_request(f, bytes);
    }
}

static void take(const frame *f)
{
    if (f->type >= TYPE_RESUME) {
        take_sealed(f);
    } else if (f->type == TYPE_KNOCK) {
        const uint64_t soonest = hello.last_ms + HELLO_SHORTEST_MS;
        hello.due_ms = hello.due_ms < soonest ? hello.due_ms : soonest;
    } else if (f->type == TYPE_REFUSED) {
        hello.wait_ms = HELLO_LONGEST_MS;
    } else if (handshake_take(f, next_key)) {
        has_next = true;
        hello.due_ms = board_milliseconds() + PROOF_MS;
    }
}

static void say_hello(uint64_t now)
{
    if (now < hello.due_ms) {
        return;
    }
    handshake_hello();
    hello.last_ms = now;
    hello.due_ms = now + hello.wait_ms;
    hello.wait_ms = 2u * hello.wait_ms < HELLO_LONGEST_MS ? 2u * hello.wait_ms : HELLO_LONGEST_MS;
}

/* The same entries under the same number until they are confirmed. */
static void send_entries(uint64_t now)
{
    if (!session.resumed || (entries.out ? now < entries.due_ms : outbox_waiting() == 0u)) {
        return;
    }
    uint64_t last = entries.out ? entries.last : UINT64_MAX;
    (void)put_bytes(tx, state.outbox, 8u);
    const uint32_t bytes = outbox_batch(tx + 8, FRAME_MOST_BODY - 8u, &last);
    if (bytes == 0u) {
        /* They were dropped meanwhile to make room. */
        entries.out = false;
        return;
    }
    if (!entries.out) {
        entries.out = true;
        entries.wait_ms = ENTRIES_FIRST_MS;
        entries.tries = 0u;
        session.sent += 1u;
    }
    entries.last = last;
    frame_send_sealed(session.key, TYPE_ENTRIES, session.sent, tx, bytes + 8u);
    entries.due_ms = now + entries.wait_ms;
    entries.wait_ms = 2u * entries.wait_ms < ENTRIES_LONGEST_MS ? 2u * entries.wait_ms : ENTRIES_LONGEST_MS;
    entries.tries += 1u;
    if (entries.tries % ENTRIES_TRIES == 0u) {
        link_hello_now();
    }
}

void link_step(void)
{
    frame f;
    uint32_t room;
    for (uint32_t taken = 0u; taken < FRAMES_A_TURN;) {
        const uint64_t now = board_milliseconds();
        uint8_t *into = frame_room(&reader, &room);
        const uint32_t bytes = (uint32_t)link_read(into, room);
        if (bytes > 0u) {
            frame_arrived(&reader, bytes, now);
        }
        if (frame_next(&reader, now, &f)) {
            take(&f);
            taken += 1u;
        } else if (bytes == 0u) {
            break;
        }
    }
    const uint64_t now = board_milliseconds();
    say_hello(now);
    send_entries(now);
}
