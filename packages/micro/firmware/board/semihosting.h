/* Files of the machine that runs the emulator (ARM semihosting, IHI 0037). For measuring and tests, never in a device's firmware. */
#ifndef SANDERLING_SEMIHOSTING_H
#define SANDERLING_SEMIHOSTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens a file for reading, or makes one for writing; negative if that fails. */
int32_t host_open(const char *path, bool write);

/* Whether all `count` bytes were read or written. */
bool host_read(int32_t file, void *into, size_t count);
bool host_write(int32_t file, const void *bytes, size_t count);

#endif
