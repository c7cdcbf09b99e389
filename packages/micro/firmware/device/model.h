/* The model of the active slot: what it is asked, and what it answered. */
#ifndef SANDERLING_MODEL_H
#define SANDERLING_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sanderling_entry.h"
#include "status.h"

/* Memory for models. Two at once fit when both are small; a self-test beside a large one restarts that one afterwards. */
#ifndef DEVICE_MODEL_BYTES
#define DEVICE_MODEL_BYTES (256u * 1024u)
#endif
/* Readings that a model hears again when it is started, so that it can forecast at once. */
#define MODEL_HISTORY 256u

typedef struct {
    const sanderling_entry *entry; /* NULL: no model runs */
    uint32_t                predictions; /* since it was started */
    sanderling_answer       answer;      /* the newest */
    bool                    forecast;    /* whether answer holds one */
    float                   drift_score;
    float                   rolling_error; /* negative: none yet */
    bool                    alarm;
} model_state;

extern model_state model;

/* Whether this firmware can run an entry table. */
device_status model_fits(const sanderling_entry *entry);
/* Runs the self-test of an entry, which may be another than the one that runs. */
device_status model_test(const sanderling_entry *entry, int32_t *vector, uint32_t *microseconds);
/* Puts an entry in charge (NULL: none) and lets it hear the newest readings; its answers to those lead to nothing. */
void model_start(const sanderling_entry *entry);
/* A reading. True when a model answered. */
bool model_reading(int64_t time_ms, float value);
/* Median and longest time of the last 32 forecasts, microseconds. */
void model_times(uint32_t *median, uint32_t *longest);

#endif
