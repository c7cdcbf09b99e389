/* What a device must not forget: who it is, which slot runs, how far an update has come. One record of 512 bytes, appended to one of two flash
   sectors; the newest sound one counts. When a sector is full the other one is erased and goes on, so at every moment a sound record exists. */
#ifndef SANDERLING_STATE_H
#define SANDERLING_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define NO_SLOT 255u

/* state.flags */
#define STATE_HAS_KEY 1u
#define STATE_HAS_TOKEN 2u
#define STATE_HAS_INSTALLATION 4u
#define STATE_HAS_OUTBOX 8u

/* Something that the hub must hear of, together with the change that it tells of: written into the outbox under `number`, once. */
typedef struct {
    uint16_t type; /* 0: nothing */
    uint16_t reason;
    uint32_t sequence;
    uint32_t predictions;
    uint32_t boots;
    uint64_t number;
    uint8_t  release[32];
} state_event;

typedef struct {
    uint32_t    magic;
    uint32_t    revision;
    uint8_t     device[64]; /* id, zero-padded */
    uint8_t     key[32];
    uint8_t     token[128]; /* sdl_<id 26>_<secret 64>_<fingerprint 32> */
    uint8_t     installation[16];
    uint8_t     outbox[8];
    uint32_t    boots;
    uint32_t    floor; /* highest sequence that proved itself */
    uint8_t     flags;
    uint8_t     active;   /* slot, or NO_SLOT */
    uint8_t     previous; /* slot to return to, or NO_SLOT */
    uint8_t     probation;
    uint8_t     attempts;  /* starts during this probation */
    uint8_t     step_back; /* the hub allowed the sequence on probation to be lower */
    uint16_t    predictions; /* finite forecasts that end the probation */
    uint32_t    minutes;     /* longest probation */
    float       max_error;   /* largest rolling error at its end; 0: any */
    uint8_t     update_slot; /* slot being written, or NO_SLOT */
    uint8_t     update_step_back;
    uint8_t     reserved[2];
    uint32_t    update_position; /* bytes that are surely in flash */
    uint8_t     update_tag[32];
    uint8_t     update_header[128];
    state_event event;
    uint32_t    spare;
    uint32_t    crc;
} device_state;

typedef char device_state_is_512_bytes[sizeof(device_state) == 512u ? 1 : -1];

/* The state as last written. Change a field, then call state_write(). */
extern device_state state;

/* Finds the newest record, or begins with an empty state. */
void state_open(void);
/* Makes the state durable. False when the flash does not take it; the next try uses the other sector. */
bool state_write(void);

#endif
