/* What the device says of itself; packages/wire/src/link/info.ts reads it. */
#ifndef SANDERLING_INFO_H
#define SANDERLING_INFO_H

#include <stdint.h>

/* Writes an answer that is well and the device's state; returns its length, at most ANSWER_MOST. */
uint32_t info_write(uint8_t *answer);

#endif
