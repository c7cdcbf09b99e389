/* Who is at the other end: hello, challenge, proof; and enrolment before that. */
#ifndef SANDERLING_HANDSHAKE_H
#define SANDERLING_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

#define NONCE_BYTES 16u

/* Sends hello, or enrol while there is a token and no key. Each has a nonce of its own; answers to earlier ones are not taken. */
void handshake_hello(void);
/* Takes a frame that is not sealed. True when the hub has proved itself: *session is the key of the session that begins with its first sealed frame. */
bool handshake_take(const frame *f, uint8_t session[32]);
/* HMAC(key, "sanderling-link/1 purpose", zero byte, bytes). */
void handshake_prove(const uint8_t *key, const char *purpose, const uint8_t *bytes, uint32_t count, uint8_t mac[32]);

#endif
