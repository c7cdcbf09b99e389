/* What the device computes, for comparison: a line "sha HEX", "hmac KEY HEX" or "crc HEX" on standard input gives a line in hexadecimal; "-" is no bytes. */
#include <stdio.h>
#include <string.h>

#include "crc32.h"
#include "sha256.h"

static uint8_t bytes[1u << 20];

/* -1 for what is no hexadecimal digit. */
static int digit(char letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static uint32_t from_hex(const char *text, uint8_t *into)
{
    uint32_t count = 0u;
    while (digit(text[2u * count]) >= 0 && digit(text[2u * count + 1u]) >= 0) {
        into[count] = (uint8_t)(16 * digit(text[2u * count]) + digit(text[2u * count + 1u]));
        count += 1u;
    }
    return count;
}

static void print(const uint8_t *digest)
{
    for (uint32_t i = 0u; i < SHA256_BYTES; i += 1u) {
        (void)printf("%02x", digest[i]);
    }
    (void)printf("\n");
}

int main(void)
{
    static char line[(2u << 20) + 100u];
    while (fgets(line, (int)sizeof line, stdin) != NULL) {
        uint8_t digest[SHA256_BYTES];
        uint8_t key[SHA256_BYTES];
        const char *last = strrchr(line, ' ');
        const uint32_t count = last == NULL ? 0u : from_hex(last + 1, bytes);
        if (line[0] == 'c') {
            (void)printf("%08x\n", (unsigned)crc32(0u, bytes, count));
        } else if (line[0] == 's') {
            sha256_state sha;
            sha256_begin(&sha);
            /* In uneven pieces, as it comes from a link. */
            for (uint32_t at = 0u; at < count;) {
                const uint32_t some = count - at < 37u ? count - at : 37u;
                sha256_add(&sha, bytes + at, some);
                at += some;
            }
            sha256_end(&sha, digest);
            print(digest);
        } else {
            hmac_state hmac;
            memset(key, 0, sizeof key);
            (void)from_hex(line + 5, key);
            hmac_begin(&hmac, key);
            hmac_add(&hmac, bytes, count);
            hmac_end(&hmac, digest);
            print(digest);
        }
    }
    return 0;
}
