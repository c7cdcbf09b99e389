/* The entry table of a model image, ABI 1: all that the firmware calls. It lies entry_offset bytes after the image's first byte. */
#ifndef SANDERLING_ENTRY_H
#define SANDERLING_ENTRY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SANDERLING_ENTRY_ABI 1u
#define SANDERLING_MOST_HORIZON 96u

/* Bits of sanderling_answer.flags. */
#define SANDERLING_FORECAST 1u            /* a forecast is present */
#define SANDERLING_RESIDUAL 2u            /* a residual is present */
#define SANDERLING_DRIFT 4u               /* the drift alarm is on */
#define SANDERLING_DRIFT_RAISED 8u        /* this reading raised the alarm */
#define SANDERLING_DRIFT_ENDED 16u        /* this reading ended the alarm */
#define SANDERLING_NOT_FINITE 32u         /* the forecast holds an infinity or NaN */

/* What one reading led to; written by the image. */
typedef struct {
    uint32_t flags;
    uint32_t horizon;                           /* numbers in forecast */
    float    forecast[SANDERLING_MOST_HORIZON]; /* unit of the data; step k is at time last + k * step_ms */
    int64_t  forecast_time_ms;                  /* time of the newest cell that the forecast starts from */
    float    residual;                          /* newest settled residual one step ahead */
    float    drift_score;                       /* 0 to 1 */
    float    rolling_error;                     /* unit of the data; negative: none yet */
} sanderling_answer;

typedef struct {
    uint32_t abi;                               /* SANDERLING_ENTRY_ABI */
    uint32_t memory_bytes;                      /* RAM that the calls below want: one block, 8-aligned */
    int32_t (*self_test)(void *memory);         /* 0, or the number of the first vector that failed */
    void    (*start)(void *memory);             /* forget everything */
    void    (*reading)(void *memory, int64_t time_ms, float value, sanderling_answer *answer);
} sanderling_entry;

/* Goes in front of the one table of an image:
   SANDERLING_IMAGE_ENTRY const sanderling_entry sanderling_image_entry = {SANDERLING_ENTRY_ABI, bytes, self_test, start, reading}; */
#define SANDERLING_IMAGE_ENTRY __attribute__((section(".sanderling_entry"), used))

#ifdef __cplusplus
}
#endif

#endif
