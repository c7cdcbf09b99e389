/* A model image: position-fixed machine code and constants for one slot of the flash, behind a header that says what it is.
   The TypeScript twin is packages/micro/src/image. Little-endian; 128 bytes of header, then the payload. */
#ifndef SANDERLING_IMAGE_H
#define SANDERLING_IMAGE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SANDERLING_IMAGE_MAGIC "SNDRMCU1"
#define SANDERLING_IMAGE_HEADER_BYTES 128u
#define SANDERLING_IMAGE_ABI 1u

/* What a payload runs on (header field board). */
#define SANDERLING_BOARD_M7 1u   /* Cortex-M7, fpv5-d16 */
#define SANDERLING_BOARD_M4 2u   /* Cortex-M4, fpv4-sp-d16 */
#define SANDERLING_BOARD_HOST 3u /* tests */

typedef struct {
    uint8_t  magic[8];            /*   0  "SNDRMCU1" */
    uint32_t header_bytes;        /*   8  128 */
    uint32_t abi;                 /*  12  1 */
    uint32_t image_bytes;         /*  16  header + payload */
    uint32_t slot_address;        /*  20  where the header's first byte must lie */
    uint32_t sequence;            /*  24  grows with every release */
    uint32_t entry_offset;        /*  28  from the image's start to the entry table, 4-aligned */
    uint8_t  release[32];         /*  32  opaque to the device */
    uint8_t  payload_sha256[32];  /*  64 */
    uint32_t board;               /*  96  SANDERLING_BOARD_* */
    uint32_t reserved[6];         /* 100  0 */
    uint32_t crc32;               /* 124  of bytes 0 to 123, IEEE (as zlib) */
} sanderling_image_header;

/* C99 has no static assertion: an array of negative size stops the compiler if a field moves. */
typedef char sanderling_image_header_is_128_bytes[sizeof(sanderling_image_header) == 128u ? 1 : -1];

#ifdef __cplusplus
}
#endif

#endif
