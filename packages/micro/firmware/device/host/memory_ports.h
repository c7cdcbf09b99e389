/* A device inside this process: its link is memory, its time stands still but for its waits. For fuzzing and for power cuts. */
#ifndef SANDERLING_MEMORY_PORTS_H
#define SANDERLING_MEMORY_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_LINK_BYTES 65536u

typedef struct {
    uint8_t  bytes[MEMORY_LINK_BYTES];
    uint32_t count;
} memory_link;

extern memory_link to_device;
extern memory_link to_hub;
/* Whose frames frame_send() makes. */
extern bool hub_writes;

/* Takes up to `most` bytes from the front. */
uint32_t memory_take(memory_link *link, uint8_t *into, uint32_t most);
/* Called by a reset. */
extern void (*on_reset)(void);

#endif
