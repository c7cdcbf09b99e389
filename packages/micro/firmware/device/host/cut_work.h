/* What a device does while the power goes, and what must be so after it has come back: an update with readings, and an outbox that goes round. */
#ifndef SANDERLING_CUT_WORK_H
#define SANDERLING_CUT_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "flash.h"
#include "hub.h"

/* What outlives a process. */
typedef struct {
    uint8_t  flash[FLASH_BYTES];
    hub_disk disk;
    uint32_t acknowledged; /* readings whose taking was answered */
    uint32_t steps;
    /* Of the ring's trial: alarms told to the outbox; readings that the hub stored and the device does not know of; whether it may count as lost what it
       was told to have arrived, because it has heard no hub since. */
    uint32_t events;
    uint32_t unconfirmed;
    uint32_t forgotten;
} world;

/* As much as a slot takes. */
#define MOST_PAYLOAD (FLASH_SLOT_BYTES - 160u)

/* The world that this process works in; the device and the hub are given it by enter(). */
extern world   *now;
extern uint32_t payload_bytes;
void enter(world *into);

/* The next two leave a device with a sound model in slot A, whose settings are about to go on in the other sector; what the slots held before is no image. */
void factory(void);
void first_model(void);
/* An update with readings before and after it; whatever has been done is not done again. */
void update_work(void);
/* The same, and then all of it must be there. */
void update_to_the_end(void);

/* A device whose outbox is about to go round, with events in the sector that will go; the hub knows nothing of them. */
void ring_prepare(void);
/* It goes round: while a hub listens that confirms nothing, or while none has been heard since the start. */
void ring_work(void);
void ring_work_alone(void);
/* After the cut: everything arrives, once, or is counted as lost. */
void ring_finish(void);

#endif
