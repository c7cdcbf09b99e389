/* Whether an image is what it says, for this slot, this board and this device. */
#ifndef SANDERLING_IMAGE_CHECK_H
#define SANDERLING_IMAGE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "sanderling_image.h"
#include "status.h"

/* Reads and checks a header at `bytes` (anywhere) for a slot. */
device_status image_check_header(uint32_t slot, const uint8_t *bytes, sanderling_image_header *header);
/* The tag of a header under this device's key. */
void image_tag(const uint8_t *header, uint8_t tag[32]);
/* Whether the slot's tag is that of the header at its beginning. */
bool image_check_tag(uint32_t slot, const uint8_t *image);
/* Whether the payload behind the header at `image` is the one that the header names. */
bool image_check_payload(const uint8_t *image, const sanderling_image_header *header);
/* Where the tag of a slot is. */
const uint8_t *image_tag_place(uint32_t slot);

#endif
