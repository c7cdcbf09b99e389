/* CRC-32 as in IEEE 802.3 and zlib: polynomial 0xEDB88320 reflected, begins and ends inverted. */
#ifndef SANDERLING_CRC32_H
#define SANDERLING_CRC32_H

#include <stdint.h>

/* Continues `crc` (0 at the start) over `count` bytes. */
uint32_t crc32(uint32_t crc, const void *bytes, uint32_t count);

#endif
