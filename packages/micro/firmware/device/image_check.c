#include "image_check.h"

#include <string.h>

#include "crc32.h"
#include "flash.h"
#include "ports.h"
#include "sha256.h"
#include "slots.h"
#include "state.h"

#define ENTRY_TABLE_BYTES 20u

const uint8_t *image_tag_place(uint32_t slot) { return slot_place(slot) + FLASH_SLOT_BYTES - FLASH_WORD_BYTES; }

uint32_t slot_capacity(void) { return FLASH_SLOT_BYTES - FLASH_WORD_BYTES; }

device_status image_check_header(uint32_t slot, const uint8_t *bytes, sanderling_image_header *header)
{
    memcpy(header, bytes, sizeof *header);
    if (memcmp(header->magic, SANDERLING_IMAGE_MAGIC, sizeof header->magic) != 0 ||
        header->header_bytes != SANDERLING_IMAGE_HEADER_BYTES ||
        header->crc32 != crc32(0u, bytes, SANDERLING_IMAGE_HEADER_BYTES - 4u)) {
        return STATUS_BAD_HEADER;
    }
    for (uint32_t i = 0u; i < 6u; i += 1u) {
        if (header->reserved[i] != 0u) {
            return STATUS_WRONG_ABI;
        }
    }
    if (header->abi != SANDERLING_IMAGE_ABI) {
        return STATUS_WRONG_ABI;
    }
    if (header->board != port_board()) {
        return STATUS_WRONG_BOARD;
    }
    if (header->slot_address != port_address(slot_place(slot))) {
        return STATUS_WRONG_SLOT;
    }
    if (header->image_bytes > slot_capacity()) {
        return STATUS_TOO_LARGE;
    }
    if (header->entry_offset % 4u != 0u || header->entry_offset < SANDERLING_IMAGE_HEADER_BYTES ||
        header->image_bytes < SANDERLING_IMAGE_HEADER_BYTES + ENTRY_TABLE_BYTES ||
        header->entry_offset > header->image_bytes - ENTRY_TABLE_BYTES) {
        return STATUS_BAD_HEADER;
    }
    return STATUS_OK;
}

void image_tag(const uint8_t *header, uint8_t tag[32])
{
    static const char purpose[] = "sanderling-image/1";
    hmac_state hmac;
    hmac_begin(&hmac, state.key);
    hmac_add(&hmac, purpose, sizeof purpose);
    hmac_add(&hmac, header, SANDERLING_IMAGE_HEADER_BYTES);
    hmac_end(&hmac, tag);
}

bool image_check_tag(uint32_t slot, const uint8_t *image)
{
    uint8_t tag[32];
    image_tag(image, tag);
    return (state.flags & STATE_HAS_KEY) != 0u && same_secret(tag, image_tag_place(slot), sizeof tag);
}

bool image_check_payload(const uint8_t *image, const sanderling_image_header *header)
{
    uint8_t digest[SHA256_BYTES];
    sha256_state sha;
    sha256_begin(&sha);
    sha256_add(&sha, image + SANDERLING_IMAGE_HEADER_BYTES, header->image_bytes - SANDERLING_IMAGE_HEADER_BYTES);
    sha256_end(&sha, digest);
    return memcmp(digest, header->payload_sha256, sizeof digest) == 0;
}
