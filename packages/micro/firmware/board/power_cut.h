/* Power cuts for tests: the power goes at one step of the flash's operations (flash_hook in flash.h). In no firmware of a device but those built with
   DEVICE_POWER_CUTS. */
#ifndef SANDERLING_POWER_CUT_H
#define SANDERLING_POWER_CUT_H

#include <stdint.h>

/* What was in work when the power went may hold anything: each of its flash words, by chance, what it holds now, 0xFF or noise. */
void power_cut_tear(uint8_t *work, uint32_t bytes, uint32_t seed);

#ifndef SANDERLING_HOST
/* The page behind the flash, in the file that stands for it (packages/micro/src/device/power-cut.ts writes and reads it). */
typedef struct {
    uint32_t magic;  /* POWER_CUT_MAGIC: the rest means something */
    uint32_t cut_at; /* the step at which the power goes; 0: never */
    uint32_t seed;   /* what is in work then is torn with it; 0: it stays as the driver has it */
    uint32_t steps;  /* since the page was written: resets do not begin anew */
} power_cut_page;

#define POWER_CUT_MAGIC 0x43504E53u /* "SNPC" */
/* What the emulator ends with. */
#define POWER_CUT_STATUS 96

/* From now on the steps are counted, and one of them may be the last. */
void power_cut_arm(void);
#endif

#endif
