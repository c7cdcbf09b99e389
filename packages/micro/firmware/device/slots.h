/* Two slots for model images: writing one while the other runs, checking them, switching, and going back. A slot begins with the image; its last flash word
   is the image's tag, HMAC(device key, header), programmed when the whole image has been checked. What decides is the state record: one write switches. */
#ifndef SANDERLING_SLOTS_H
#define SANDERLING_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "sanderling_image.h"
#include "status.h"

/* Starts on probation before the device goes back. */
#define SLOT_MOST_ATTEMPTS 3u

typedef enum { SLOT_EMPTY, SLOT_PARTIAL, SLOT_READY, SLOT_DAMAGED } slot_state;

typedef struct {
    uint32_t slot;
    bool     step_back; /* the hub allows a lower sequence */
    uint32_t predictions;
    uint32_t minutes;
    float    max_error;
} slot_activation;

/* At start-up, after state_open() and outbox_open(): counts the start, goes back if a model on probation has had its tries, and starts the model. */
void slots_boot(void);

const uint8_t *slot_place(uint32_t slot);
uint32_t       slot_capacity(void);
/* What a slot holds; *header is filled for SLOT_READY. Quick: header and tag, not the payload. */
slot_state slot_look(uint32_t slot, sanderling_image_header *header);

/* Updating; *position is where to go on in every case. */
device_status slot_begin(uint32_t slot, bool step_back, const uint8_t *tag, const uint8_t *header, uint32_t *position);
device_status slot_chunk(uint32_t offset, const uint8_t *bytes, uint32_t count, uint32_t *position);
device_status slot_end(uint32_t *position);

/* `slot` may be NO_SLOT for the active one. */
device_status slot_test(uint32_t slot, int32_t *vector, uint32_t *microseconds);
device_status slot_activate(const slot_activation *activation);
/* Starts what slot_activate() put in charge. Apart from it, so that the hub has its answer before the model gets a chance to fault. */
void slots_settle(void);
/* The hub wants the previous model back. */
device_status slot_rollback(void);

/* Looks at what the active model answered last, and at the time: ends its probation, one way or the other. */
void slots_judge(bool answered);

#endif
