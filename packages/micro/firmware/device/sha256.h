/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104). */
#ifndef SANDERLING_SHA256_H
#define SANDERLING_SHA256_H

#include <stdbool.h>
#include <stdint.h>

#define SHA256_BYTES 32u

typedef struct {
    uint32_t h[8];
    uint64_t count; /* bytes taken */
    uint8_t  block[64];
} sha256_state;

void sha256_begin(sha256_state *state);
void sha256_add(sha256_state *state, const void *bytes, uint32_t count);
void sha256_end(sha256_state *state, uint8_t digest[SHA256_BYTES]);

typedef struct {
    sha256_state inner;
    sha256_state outer;
} hmac_state;

/* The key is SHA256_BYTES long, as all of ours are. */
void hmac_begin(hmac_state *state, const uint8_t key[SHA256_BYTES]);
void hmac_add(hmac_state *state, const void *bytes, uint32_t count);
void hmac_end(hmac_state *state, uint8_t mac[SHA256_BYTES]);

/* Whether two secrets are equal, in a time that does not depend on where they differ. */
bool same_secret(const uint8_t *a, const uint8_t *b, uint32_t count);

#endif
