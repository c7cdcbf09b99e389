/* Little-endian numbers in bytes, whatever the machine's own order and alignment. */
#ifndef SANDERLING_BYTES_H
#define SANDERLING_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t get_u16(const uint8_t *at) { return (uint16_t)(at[0] | (uint16_t)(at[1] << 8)); }

static inline uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *at) { return (uint64_t)get_u32(at) | (uint64_t)get_u32(at + 4) << 32; }

static inline float get_f32(const uint8_t *at)
{
    const uint32_t bits = get_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint8_t *put_u8(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    return at + 1;
}

static inline uint8_t *put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}

static inline uint8_t *put_u32(uint8_t *at, uint32_t value) { return put_u16(put_u16(at, value), value >> 16); }

static inline uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    return put_u32(put_u32(at, (uint32_t)value), (uint32_t)(value >> 32));
}

static inline uint8_t *put_f32(uint8_t *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_u32(at, bits);
}

static inline uint8_t *put_bytes(uint8_t *at, const void *bytes, uint32_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

#endif
