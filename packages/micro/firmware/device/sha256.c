#include "sha256.h"

#include <string.h>

static const uint32_t k[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

static uint32_t turn(uint32_t x, uint32_t n) { return x >> n | x << (32u - n); }

static void take_block(sha256_state *state, const uint8_t *at)
{
    uint32_t w[64];
    uint32_t v[8];
    for (uint32_t i = 0u; i < 16u; i += 1u) {
        w[i] = (uint32_t)at[4u * i] << 24 | (uint32_t)at[4u * i + 1u] << 16 | (uint32_t)at[4u * i + 2u] << 8 | at[4u * i + 3u];
    }
    for (uint32_t i = 16u; i < 64u; i += 1u) {
        const uint32_t a = w[i - 15u];
        const uint32_t b = w[i - 2u];
        w[i] = w[i - 16u] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7u] + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(v, state->h, sizeof v);
    for (uint32_t i = 0u; i < 64u; i += 1u) {
        const uint32_t e = v[4];
        const uint32_t a = v[0];
        const uint32_t one = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
        const uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7u * sizeof v[0]);
        v[4] += one;
        v[0] = one + two;
    }
    for (uint32_t i = 0u; i < 8u; i += 1u) {
        state->h[i] += v[i];
    }
}

void sha256_begin(sha256_state *state)
{
    static const uint32_t start[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    memcpy(state->h, start, sizeof start);
    state->count = 0u;
}

void sha256_add(sha256_state *state, const void *bytes, uint32_t count)
{
    const uint8_t *at = (const uint8_t *)bytes;
    while (count > 0u) {
        const uint32_t held = (uint32_t)(state->count % 64u);
        const uint32_t room = 64u - held;
        const uint32_t some = count < room ? count : room;
        memcpy(state->block + held, at, some);
        state->count += some;
        at += some;
        count -= some;
        if (some == room) {
            take_block(state, state->block);
        }
    }
}

void sha256_end(sha256_state *state, uint8_t digest[SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80u};
    uint8_t length[8];
    const uint64_t bits = state->count * 8u;
    const uint32_t held = (uint32_t)(state->count % 64u);
    for (uint32_t i = 0u; i < 8u; i += 1u) {
        length[i] = (uint8_t)(bits >> (56u - 8u * i));
    }
    sha256_add(state, padding, (held < 56u ? 56u : 120u) - held);
    sha256_add(state, length, sizeof length);
    for (uint32_t i = 0u; i < SHA256_BYTES; i += 1u) {
        digest[i] = (uint8_t)(state->h[i / 4u] >> (24u - 8u * (i % 4u)));
    }
}

void hmac_begin(hmac_state *state, const uint8_t key[SHA256_BYTES])
{
    uint8_t pad[64];
    for (uint32_t i = 0u; i < sizeof pad; i += 1u) {
        pad[i] = (uint8_t)((i < SHA256_BYTES ? key[i] : 0u) ^ 0x36u);
    }
    sha256_begin(&state->inner);
    sha256_add(&state->inner, pad, sizeof pad);
    for (uint32_t i = 0u; i < sizeof pad; i += 1u) {
        pad[i] = (uint8_t)(pad[i] ^ (0x36u ^ 0x5cu));
    }
    sha256_begin(&state->outer);
    sha256_add(&state->outer, pad, sizeof pad);
}

void hmac_add(hmac_state *state, const void *bytes, uint32_t count) { sha256_add(&state->inner, bytes, count); }

void hmac_end(hmac_state *state, uint8_t mac[SHA256_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    sha256_end(&state->inner, digest);
    sha256_add(&state->outer, digest, sizeof digest);
    sha256_end(&state->outer, mac);
}

bool same_secret(const uint8_t *a, const uint8_t *b, uint32_t count)
{
    uint32_t differs = 0u;
    for (uint32_t i = 0u; i < count; i += 1u) {
        differs |= (uint32_t)(a[i] ^ b[i]);
    }
    return differs == 0u;
}
