#include "semihosting.h"

#include <string.h>

#define SYS_OPEN 0x01u
#define SYS_WRITE 0x05u
#define SYS_READ 0x06u
#define MODE_READ_BINARY 1u
#define MODE_WRITE_BINARY 5u

static int32_t ask(uint32_t operation, const uint32_t *block)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const uint32_t *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

int32_t host_open(const char *path, bool write)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t)path, write ? MODE_WRITE_BINARY : MODE_READ_BINARY, (uint32_t)strlen(path)};
    return ask(SYS_OPEN, block);
}

/* Both answer with the number of bytes that are left over. */
bool host_read(int32_t file, void *into, size_t count)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)(uintptr_t)into, count};
    return count == 0u || ask(SYS_READ, block) == 0;
}

bool host_write(int32_t file, const void *bytes, size_t count)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)(uintptr_t)bytes, count};
    return count == 0u || ask(SYS_WRITE, block) == 0;
}
