#include "handshake.h"

#include <stddef.h>
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "device.h"
#include "link.h"
#include "ports.h"
#include "sha256.h"
#include "state.h"

#define ID_BYTES 64u
#define TOKEN_ID_AT 4u
#define TOKEN_ID_BYTES 26u
#define TOKEN_SECRET_AT (TOKEN_ID_AT + TOKEN_ID_BYTES + 1u)
#define TOKEN_SECRET_BYTES 64u
#define HELLO_BYTES 84u
#define CHALLENGE_BYTES 64u
#define PROOF_BYTES 56u
#define ENROL_BYTES 116u
#define ENROLLED_BYTES 160u

static uint8_t  nonce[NONCE_BYTES]; /* of the last hello */
static bool     waiting;            /* for its challenge */
static uint32_t hellos;
static uint8_t  proof[PROOF_BYTES]; /* the last one, for a challenge that comes twice */

void handshake_prove(const uint8_t *key, const char *purpose, const uint8_t *bytes, uint32_t count, uint8_t mac[32])
{
    static const char protocol[] = "sanderling-link/1 ";
    hmac_state hmac;
    hmac_begin(&hmac, key);
    hmac_add(&hmac, protocol, sizeof protocol - 1u);
    hmac_add(&hmac, purpose, (uint32_t)strlen(purpose) + 1u);
    hmac_add(&hmac, bytes, count);
    hmac_end(&hmac, mac);
}

/* Never the same twice (starts and hellos are counted), and not to be guessed without the key. */
static void new_nonce(void)
{
    uint8_t seed[32];
    uint8_t mac[32];
    hellos += 1u;
    port_entropy(seed);
    (void)put_u64(put_u32(put_u32(seed + 16, state.boots), hellos), board_ticks());
    handshake_prove(state.key, "nonce", seed, sizeof seed, mac);
    memcpy(nonce, mac, sizeof nonce);
}

static void token_key(uint8_t key[32])
{
    sha256_state sha;
    sha256_begin(&sha);
    sha256_add(&sha, state.token + TOKEN_SECRET_AT, TOKEN_SECRET_BYTES);
    sha256_end(&sha, key);
}

/* The name under which this device asks for its identity, the same at every try. */
static bool make_installation(void)
{
    uint8_t mac[32];
    uint8_t key[32];
    if ((state.flags & STATE_HAS_INSTALLATION) != 0u) {
        return true;
    }
    token_key(key);
    handshake_prove(key, "installation", nonce, sizeof nonce, mac);
    memcpy(state.installation, mac, sizeof state.installation);
    state.flags |= STATE_HAS_INSTALLATION;
    return state_write();
}

static void enrol(void)
{
    uint8_t payload[ENROL_BYTES];
    uint8_t key[32];
    if (!make_installation()) {
        return;
    }
    memset(payload, 0, sizeof payload);
    uint8_t *at = put_bytes(payload, state.installation, sizeof state.installation);
    at = put_bytes(at, nonce, sizeof nonce);
    (void)put_bytes(at, state.token + TOKEN_ID_AT, TOKEN_ID_BYTES);
    at = put_u32(at + 32, port_board());
    (void)put_bytes(at, DEVICE_FIRMWARE, (uint32_t)sizeof DEVICE_FIRMWARE - 1u);
    token_key(key);
    handshake_prove(key, "enrol", payload, ENROL_BYTES - 32u, payload + ENROL_BYTES - 32u);
    frame_send(TYPE_ENROL, payload, sizeof payload);
}

void handshake_hello(void)
{
    uint8_t payload[HELLO_BYTES];
    const uint32_t flags = state.flags & (STATE_HAS_KEY | STATE_HAS_TOKEN);
    new_nonce();
    waiting = true;
    if (flags == STATE_HAS_TOKEN) {
        enrol();
        return;
    }
    uint8_t *at = put_bytes(payload, nonce, sizeof nonce);
    at = put_bytes(at, state.device, sizeof state.device);
    (void)put_u32(at, flags);
    frame_send(TYPE_HELLO, payload, sizeof payload);
}

static bool challenged(const uint8_t *payload, uint8_t session[32])
{
    uint8_t parts[ID_BYTES + 2u * NONCE_BYTES + 8u];
    uint8_t mac[32];
    const uint8_t *hub_nonce = payload + NONCE_BYTES;
    if ((state.flags & STATE_HAS_KEY) == 0u || memcmp(payload, nonce, sizeof nonce) != 0) {
        return false;
    }
    if (!waiting) {
        /* The same challenge again: the proof was lost. The session is not begun anew. */
        if (memcmp(hub_nonce, proof, NONCE_BYTES) == 0) {
            frame_send(TYPE_PROOF, proof, sizeof proof);
        }
        return false;
    }
    memcpy(parts, state.device, ID_BYTES);
    memcpy(parts + ID_BYTES, payload, 2u * NONCE_BYTES);
    handshake_prove(state.key, "hub", parts, ID_BYTES + 2u * NONCE_BYTES, mac);
    if (!same_secret(mac, payload + 2u * NONCE_BYTES, sizeof mac)) {
        return false;
    }
    waiting = false;
    memcpy(parts + ID_BYTES + 2u * NONCE_BYTES, state.outbox, sizeof state.outbox);
    memcpy(proof, hub_nonce, NONCE_BYTES);
    memcpy(proof + NONCE_BYTES, state.outbox, sizeof state.outbox);
    handshake_prove(state.key, "device", parts, sizeof parts, proof + NONCE_BYTES + sizeof state.outbox);
    handshake_prove(state.key, "session", parts, ID_BYTES + 2u * NONCE_BYTES, session);
    frame_send(TYPE_PROOF, proof, sizeof proof);
    return true;
}

static void enrolled(const uint8_t *payload)
{
    uint8_t key[32];
    uint8_t mac[32];
    const uint8_t *device = payload + 2u * NONCE_BYTES;
    const uint8_t *masked = device + ID_BYTES;
    if ((state.flags & (STATE_HAS_KEY | STATE_HAS_TOKEN)) != STATE_HAS_TOKEN || !waiting ||
        memcmp(payload, nonce, sizeof nonce) != 0 || device[0] == 0u) {
        return;
    }
    token_key(key);
    handshake_prove(key, "enrolled", payload, ENROLLED_BYTES - 32u, mac);
    if (!same_secret(mac, payload + ENROLLED_BYTES - 32u, sizeof mac)) {
        return;
    }
    handshake_prove(key, "key", payload, 2u * NONCE_BYTES, mac);
    for (uint32_t i = 0u; i < sizeof state.key; i += 1u) {
        state.key[i] = (uint8_t)(masked[i] ^ mac[i]);
    }
    memcpy(state.device, device, ID_BYTES);
    memset(state.token, 0, sizeof state.token);
    state.flags = STATE_HAS_KEY;
    (void)state_write();
    waiting = false;
    link_hello_now();
}

bool handshake_take(const frame *f, uint8_t session[32])
{
    if (f->type == TYPE_CHALLENGE && f->length == CHALLENGE_BYTES) {
        return challenged(f->payload, session);
    }
    if (f->type == TYPE_ENROLLED && f->length == ENROLLED_BYTES) {
        enrolled(f->payload);
    }
    return false;
}
