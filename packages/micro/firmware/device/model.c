#include "model.h"

#include <stddef.h>
#include <string.h>

#include "board.h"
#include "outbox.h"

#define TIMED 32u
#define TICKS_PER_MICROSECOND (BOARD_TICKS_PER_MILLISECOND / 1000u)

model_state model;

/* On boards the memory that is kept for models (the AXI bank of the STM32H745); it holds anything until a model is started. */
#ifdef SANDERLING_HOST
#define IN_ARENA
#else
#define IN_ARENA __attribute__((section(".arena")))
#endif

/* 8-aligned, as the entry table asks. */
static union {
    uint64_t align;
    uint8_t  bytes[DEVICE_MODEL_BYTES];
} memory IN_ARENA;
static uint32_t times[TIMED];
static uint32_t timed;

static uint32_t aligned(uint32_t bytes) { return (bytes + 7u) & ~7u; }

static uint32_t since(uint64_t ticks) { return (uint32_t)((board_ticks() - ticks) / TICKS_PER_MICROSECOND); }

device_status model_fits(const sanderling_entry *entry)
{
    if (entry->abi != SANDERLING_ENTRY_ABI) {
        return STATUS_WRONG_ABI;
    }
    return entry->memory_bytes > DEVICE_MODEL_BYTES ? STATUS_TOO_LARGE : STATUS_OK;
}

device_status model_test(const sanderling_entry *entry, int32_t *vector, uint32_t *microseconds)
{
    const device_status fits = model_fits(entry);
    if (fits != STATUS_OK) {
        return fits;
    }
    const sanderling_entry *running = model.entry;
    const uint32_t taken = running != NULL ? aligned(running->memory_bytes) : 0u;
    const bool beside = taken + aligned(entry->memory_bytes) <= DEVICE_MODEL_BYTES;
    const uint64_t began = board_ticks();
    *vector = entry->self_test(memory.bytes + (beside ? taken : 0u));
    *microseconds = since(began);
    if (!beside) {
        model_start(running);
    }
    return *vector == 0 ? STATUS_OK : STATUS_SELF_TEST_FAILED;
}

static void note(const sanderling_answer *answer)
{
    model.drift_score = answer->drift_score;
    model.rolling_error = answer->rolling_error;
    model.alarm = (answer->flags & SANDERLING_DRIFT) != 0u;
    model.forecast = (answer->flags & SANDERLING_FORECAST) != 0u && answer->horizon <= SANDERLING_MOST_HORIZON;
}

static void hear(int64_t time_ms, float value)
{
    memset(&model.answer, 0, sizeof model.answer);
    model.answer.rolling_error = -1.0f;
    model.entry->reading(memory.bytes, time_ms, value, &model.answer);
    note(&model.answer);
}

void model_start(const sanderling_entry *entry)
{
    memset(&model, 0, sizeof model);
    model.rolling_error = -1.0f;
    model.entry = entry;
    timed = 0u;
    if (entry != NULL) {
        entry->start(memory.bytes);
        outbox_recent(MODEL_HISTORY, hear);
    }
}

bool model_reading(int64_t time_ms, float value)
{
    if (model.entry == NULL) {
        return false;
    }
    const uint64_t began = board_ticks();
    hear(time_ms, value);
    times[timed % TIMED] = since(began);
    if (model.forecast) {
        timed += 1u;
        model.predictions += 1u;
    }
    return true;
}

void model_times(uint32_t *median, uint32_t *longest)
{
    uint32_t sorted[TIMED];
    const uint32_t count = timed < TIMED ? timed : TIMED;
    for (uint32_t i = 0u; i < count; i += 1u) {
        uint32_t at = i;
        for (; at > 0u && sorted[at - 1u] > times[i]; at -= 1u) {
            sorted[at] = sorted[at - 1u];
        }
        sorted[at] = times[i];
    }
    *median = count > 0u ? sorted[count / 2u] : 0u;
    *longest = count > 0u ? sorted[count - 1u] : 0u;
}
