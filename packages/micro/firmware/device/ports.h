/* What the device asks of where it runs, beside board.h (time, link, watchdog, reset) and flash.h. On a board: ports_board.c. For tests: host/. */
#ifndef SANDERLING_PORTS_H
#define SANDERLING_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "sanderling_entry.h"
#include "sanderling_image.h"

/* SANDERLING_BOARD_*: what image headers must say. */
uint32_t port_board(void);
/* The address that an image for this place of the flash is linked for. */
uint32_t port_address(const uint8_t *place);
/* The entry table of an image that has been verified. */
const sanderling_entry *port_entry(const uint8_t *image, const sanderling_image_header *header);
/* A value of the device's own sensor, if it has one and a value is due. *time_ms: milliseconds since 1970, now; a sensor with a clock of its own puts
   its time there. */
bool port_sensor(int64_t *time_ms, float *value);
/* Bytes that differ from start to start where the hardware can give them (nonces need no more: they are also counted, and hidden by the key). */
void port_entropy(uint8_t bytes[16]);

#endif
