void forecaster_start(void *memory)
{
    forecaster_memory *const m = (forecaster_memory *)memory;
    memset(m, 0, sizeof *m);
    forecaster_empty_window(&m->window);
    m->window.last_stale = FORECASTER_NO_TIME;
    forecaster_empty_ledger(&m->ledger);
    forecaster_empty_monitor(&m->monitor);
    FORECASTER_EMPTY_CIRCLES
    m->status = FORECASTER_FILLING;
}

uint32_t forecaster_status(const void *memory)
{
    return ((const forecaster_memory *)memory)->status;
}

/* Feeds the monitor with what the reading settles. */
static uint32_t forecaster_settle(forecaster_memory *m, int64_t time_ms, float value, sanderling_answer *answer)
{
    const uint32_t was_on = m->monitor.alarm;
    double residuals[2] = {0.0, 0.0};
    const uint32_t settled = forecaster_observe(&m->ledger, time_ms, value, residuals);
    uint32_t raised = 0U;
    uint32_t flags = 0U;
    for (uint32_t i = 0U; i < settled; i++) {
        raised |= forecaster_watch(&m->monitor, residuals[i]);
        answer->residual = (float)residuals[i];
        flags = SANDERLING_RESIDUAL;
    }
    if (raised != 0U) {
        flags |= SANDERLING_DRIFT_RAISED;
    } else if ((was_on != 0U) && (m->monitor.alarm == 0U)) {
        flags |= SANDERLING_DRIFT_ENDED;
    } else {
        /* As before. */
    }
    return flags;
}

/* Asks the model about the newest window. */
static uint32_t forecaster_forecast(forecaster_memory *m, sanderling_answer *answer)
{
    double one_step_ahead = 0.0;
    forecaster_encode(m);
    FORECASTER_RUN(m->input);
    for (uint32_t k = 0U; k < FORECASTER_HORIZON; k++) {
        const double value = FORECASTER_MEAN + FORECASTER_STD * (double)m->output[k];
        if (!isfinite(value)) {
            memset(answer->forecast, 0, sizeof answer->forecast);
            return SANDERLING_NOT_FINITE;
        }
        if (k == 0U) {
            one_step_ahead = value;
        }
        answer->forecast[k] = (float)value;
    }
    answer->horizon = FORECASTER_HORIZON;
    answer->forecast_time_ms = (int64_t)forecaster_cell_time(m->window.head);
    forecaster_note(&m->ledger, m->window.head, one_step_ahead);
    return SANDERLING_FORECAST;
}

void forecaster_reading(void *memory, int64_t time_ms, float value, sanderling_answer *answer)
{
    forecaster_memory *const m = (forecaster_memory *)memory;
    memset(answer, 0, sizeof *answer);
    m->status = forecaster_push(&m->window, time_ms, value);
    if (m->status != FORECASTER_INVALID) {
        answer->flags = forecaster_settle(m, time_ms, value, answer);
    }
    if (m->monitor.alarm != 0U) {
        answer->flags |= SANDERLING_DRIFT;
    }
    answer->drift_score = (float)m->monitor.score;
    answer->rolling_error = (float)m->monitor.rolling_error;
    /* After these the newest window is no other than before: nothing new to forecast from. */
    if ((m->status == FORECASTER_LATE) || (m->status == FORECASTER_STALE) || (m->status == FORECASTER_INVALID)) {
        return;
    }
    if (m->window.ready != 0U) {
        answer->flags |= forecaster_forecast(m, answer);
    }
}

int32_t forecaster_self_test(void *memory)
{
    forecaster_memory *const m = (forecaster_memory *)memory;
    for (uint32_t i = 0U; i < FORECASTER_TESTS; i++) {
        FORECASTER_RUN(forecaster_test_inputs[i]);
        for (uint32_t k = 0U; k < FORECASTER_HORIZON; k++) {
            const double difference = fabs((double)m->output[k] - forecaster_test_outputs[i][k]);
            if (!(difference <= FORECASTER_TOLERANCE)) {
                return (int32_t)i + 1;
            }
        }
    }
    return 0;
}

const sanderling_entry forecaster_entry = FORECASTER_ENTRY;
